import torch
from torch import nn

torch.manual_seed(4)
ACCUMULATE = 16
model = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.12, momentum=0.9)
truth = torch.randn(32, 1) / 4
seen = []
for step in range(120):
    for _ in range(ACCUMULATE):
        x = torch.randn(16, 32)
        loss = (model(x) - (x @ truth).tanh()).pow(2).mean()
        loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    seen.append(loss.item())
    if step % 20 == 19:
        print(step + 1, sum(seen[-20:]) / 20)
