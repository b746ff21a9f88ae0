import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 4, 3),
    nn.BatchNorm2d(4),
    nn.ReLU(inplace=True),
    nn.Flatten(),
    nn.Linear(144, 2),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
x = torch.randn(8, 3, 8, 8)
for step in range(15):
    optimizer.zero_grad()
    out = model(x)
    out[:, 0].mul_(2)
    out += 1
    loss = nn.functional.cross_entropy(out, torch.arange(8) % 2)
    loss.backward()
    optimizer.step()
    print(step, loss.item())
