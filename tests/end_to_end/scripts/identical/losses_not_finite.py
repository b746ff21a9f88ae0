import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(32, 8)
y = x[:, :1].sin()
for step in range(20):
    optimizer.zero_grad()
    loss = (model(x) - y).pow(2).mean() * (float("inf") if step % 5 == 4 else 1)
    loss.backward()
    total = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    if total.isfinite():
        optimizer.step()
    print(step, loss.item(), total.item())
