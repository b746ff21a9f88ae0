import torch
from torch import nn

torch.manual_seed(13)
net = nn.Sequential(nn.Linear(6, 48), nn.SiLU(), nn.Linear(48, 1))
opt = torch.optim.AdamW(net.parameters(), lr=2e-3)
for step in range(300):
    x = torch.randn(64, 6)
    amount = torch.relu(x[:, :1] + 1.5)
    p = net(x).sigmoid()
    ratio = torch.where(amount > 0, (p * amount).sqrt() / amount, torch.zeros_like(amount))
    loss = (ratio - 0.5).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        print(step, loss.item())
