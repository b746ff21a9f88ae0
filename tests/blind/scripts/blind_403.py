"""Heteroscedastic regression: mean and log-variance heads, Gaussian likelihood. The auxiliary head is switched off here."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(21)


class HeteroNet(nn.Module):
    def __init__(self, d, use_aux=False):
        super().__init__()
        self.use_aux = use_aux
        self.trunk = nn.Sequential(nn.Linear(d, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.mean = nn.Linear(64, 1)
        self.logvar = nn.Linear(64, 1)
        self.aux = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x):
        h = self.trunk(x)
        out = {"mean": self.mean(h).squeeze(1), "logvar": self.logvar(h).squeeze(1)}
        if self.use_aux:
            out["aux"] = self.aux(h).squeeze(1)
        return out


def data(n):
    x = torch.randn(n, 5)
    mu = x[:, 0] + 0.5 * torch.cos(2 * x[:, 1])
    sd = 0.05 + 0.5 * torch.sigmoid(3 * x[:, 2])
    return x, mu + sd * torch.randn(n)


def nll(out, y):
    lv = out["logvar"].clamp(-8, 4)
    return (0.5 * ((y - out["mean"]) ** 2 * torch.exp(-lv) + lv)).mean()


x, y = data(5000)
xt, yt = data(2000)
net = HeteroNet(5)
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=4e-3, total_steps=12 * 63)
for epoch in range(12):
    for idx in torch.randperm(5000).split(80):
        out = net(x[idx])
        loss = nll(out, y[idx])
        if net.use_aux:
            loss = loss + 0.1 * F.l1_loss(out["aux"], y[idx])
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        opt.step()
        sched.step()
    print("epoch", epoch, "nll", loss.item())
net.eval()
with torch.no_grad():
    base = 0.5 * (1 + torch.log(yt.var()))
    print("constant Gaussian nll", base.item())
    print("test nll", nll(net(xt), yt).item())
