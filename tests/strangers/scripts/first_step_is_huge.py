import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(19)
model = nn.Sequential(nn.Linear(30, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=30.0)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1.0 if t < 2 else 1e-3)
centers = torch.randn(4, 30)
for step in range(500):
    y = torch.randint(0, 4, (64,))
    x = centers[y] + torch.randn(64, 30)
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    if step % 100 == 99:
        print(step + 1, loss.item())
