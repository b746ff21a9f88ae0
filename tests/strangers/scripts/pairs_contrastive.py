import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(51)
enc_a = nn.Sequential(nn.Linear(20, 96), nn.ReLU(), nn.Linear(96, 24))
enc_b = nn.Sequential(nn.Linear(30, 96), nn.ReLU(), nn.Linear(96, 24))
temperature = nn.Parameter(torch.tensor(2.0))
opt = torch.optim.Adam([*enc_a.parameters(), *enc_b.parameters(), temperature], lr=2e-3)
pa, pb = torch.randn(6, 20), torch.randn(6, 30)
for step in range(400):
    z = torch.randn(128, 6)
    a = F.normalize(enc_a(z @ pa + 0.2 * torch.randn(128, 20)), dim=1)
    b = F.normalize(enc_b(torch.tanh(z @ pb) + 0.1 * torch.randn(128, 30)), dim=1)
    logits = a @ b.T * temperature.exp()
    want = torch.arange(128)
    loss = (F.cross_entropy(logits, want) + F.cross_entropy(logits.T, want)) / 2
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 99:
        print(step + 1, loss.item(), (logits.argmax(1) == want).float().mean().item())
