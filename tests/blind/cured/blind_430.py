"""House-price style regression; prices are left in raw units (about 200 thousand in units of 1000) and the first steps kill the net."""
import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(18)
n = 3000
rooms = torch.rand(n, 1) * 8
size = torch.rand(n, 1) * 2
age = torch.rand(n, 1) * 5
x = torch.cat([rooms, size, age, torch.rand(n, 3)], 1)
price = (40 + 15 * rooms + 60 * size * (1 + 0.3 * torch.sin(rooms)) - 8 * age + 5 * torch.randn(n, 1)).squeeze(1)
centre, scale = price[:2400].mean(), price[:2400].std()
target = (price - centre) / scale

net = nn.Sequential(
    nn.Linear(6, 64),
    nn.ReLU(),
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Linear(64, 1),
)
optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
loss_fn = nn.MSELoss()
for epoch in range(30):
    order = torch.randperm(2400)
    for i in range(0, 2400, 60):
        idx = order[i:i + 60]
        optimizer.zero_grad()
        loss = loss_fn(net(x[idx]).squeeze(1), target[idx])
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    pred = net(x[2400:]).squeeze(1) * scale + centre
print("mean absolute error", (pred - price[2400:]).abs().mean().item())
