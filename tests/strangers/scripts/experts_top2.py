import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(48)


class Mixture(nn.Module):
    def __init__(self, d=32, experts=6, k=2):
        super().__init__()
        self.gate, self.k = nn.Linear(d, experts, bias=False), k
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(d, 64), nn.GELU(), nn.Linear(64, d)) for _ in range(experts))

    def forward(self, x):
        probs = self.gate(x).softmax(-1)
        weight, index = probs.topk(self.k, -1)
        weight = weight / weight.sum(-1, keepdim=True)
        out = torch.zeros_like(x)
        for e, expert in enumerate(self.experts):
            rows, slot = (index == e).nonzero(as_tuple=True)
            if len(rows):
                out = out.index_add(0, rows, weight[rows, slot, None] * expert(x[rows]))
        load = F.one_hot(index, len(self.experts)).float().mean((0, 1))
        return out, (load * probs.mean(0)).sum() * len(self.experts)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp, self.moe, self.norm, self.out = nn.Linear(16, 32), Mixture(), nn.LayerNorm(32), nn.Linear(32, 16)

    def forward(self, x):
        h = self.inp(x)
        m, aux = self.moe(h)
        return self.out(self.norm(h + m)), aux


net = Net()
maps = torch.randn(6, 16, 16) / 4
opt = torch.optim.AdamW(net.parameters(), lr=3e-3)
for step in range(600):
    x = torch.randn(128, 16)
    kind = x[:, :6].argmax(1)
    y = torch.einsum("bi,bij->bj", x, maps[kind])
    out, aux = net(x)
    loss = F.mse_loss(out, y) + 0.01 * aux
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 150 == 149:
        print(step + 1, loss.item())
