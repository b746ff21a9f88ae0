import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(57)


class Res(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.norm, self.a, self.b = nn.LayerNorm(d), nn.Linear(d, 2 * d), nn.Linear(2 * d, d)

    def forward(self, x):
        return x + self.b(F.gelu(self.a(self.norm(x))))


net = nn.Sequential(nn.Linear(20, 64), *[Res(64) for _ in range(6)], nn.LayerNorm(64), nn.Linear(64, 8))
opt = torch.optim.AdamW(net.parameters(), lr=1e-3)
means = torch.randn(8, 20)
for step in range(250):
    y = torch.randint(0, 8, (64,))
    x = means[y] + torch.randn(64, 20)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(net(x), y, label_smoothing=0.05)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    if step % 50 == 49:
        print(step + 1, loss.item())
