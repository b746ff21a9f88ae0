"""Denoising score matching at several noise levels (NCSN weighting) for a Gaussian mixture with a known score."""
import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(17)
CENTRES = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
STD = 0.4
SIGMAS = torch.logspace(0.3, -0.7, 6)


def draw(n):
    return CENTRES[torch.randint(4, (n,))] + STD * torch.randn(n, 2)


def true_score(x, sigma):
    var = STD**2 + sigma**2
    diff = CENTRES - x.unsqueeze(1)
    w = torch.softmax(-diff.pow(2).sum(2) / (2 * var), 1).unsqueeze(2)
    return (w * diff).sum(1) / var


class ScoreNet(nn.Module):
    def __init__(self, levels=6, h=96):
        super().__init__()
        self.level = nn.Embedding(levels, 16)
        self.l1 = nn.Linear(18, h)
        self.l2 = nn.Linear(h, h)
        self.l3 = nn.Linear(h, 2)

    def forward(self, x, k):
        h = nn.functional.softplus(self.l1(torch.cat([x, self.level(k)], 1)))
        h = nn.functional.softplus(self.l2(h))
        return self.l3(h) / SIGMAS[k].unsqueeze(1)


model = ScoreNet()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 1600)
for it in range(1600):
    x = draw(128)
    k = torch.randint(6, (128,))
    s = SIGMAS[k].unsqueeze(1)
    noise = torch.randn_like(x)
    loss = ((s * model(x + s * noise, k) + noise) ** 2).sum(1).mean() / 2
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    if it % 200 == 0:
        print(f"{it:5d} dsm loss {loss.item():.4f}")
with torch.no_grad():
    num = den = 0.0
    for k, sigma in enumerate(SIGMAS):
        x = draw(2000) + sigma * torch.randn(2000, 2)
        ts = true_score(x, sigma)
        num += ((model(x, torch.full((2000,), k)) - ts) * sigma).pow(2).sum().item()
        den += (ts * sigma).pow(2).sum().item()
print("relative squared error of the score", num / den)
