import torch
from torch import nn

torch.manual_seed(8)
x = torch.randn(2048, 10)
y = (x[:, 0] * x[:, 1] > 0).long()
model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
opt = torch.optim.SGD(model.parameters(), lr=6.0)
lossf = nn.CrossEntropyLoss()
for epoch in range(12):
    order = torch.randperm(len(x))
    for i in range(0, len(x), 128):
        rows = order[i : i + 128]
        opt.zero_grad()
        loss = lossf(model(x[rows]), y[rows])
        loss.backward()
        opt.step()
    with torch.no_grad():
        accuracy = (model(x).argmax(1) == y).float().mean()
    print("epoch", epoch, "loss", round(loss.item(), 4), "acc", round(accuracy.item(), 3))
