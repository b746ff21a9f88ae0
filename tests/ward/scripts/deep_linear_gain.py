import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)
DEPTH, WIDTH = 12, 48

layers = []
for _ in range(DEPTH):
    layer = nn.Linear(WIDTH, WIDTH, bias=False)
    nn.init.orthogonal_(layer.weight, gain=1.8)
    layers.append(layer)
net = nn.Sequential(*layers)
teacher = torch.randn(WIDTH, WIDTH) / WIDTH ** 0.5

x = torch.randn(1200, WIDTH)
y = x @ teacher
opt = torch.optim.SGD(net.parameters(), lr=5e-3)
mse = nn.MSELoss()
for epoch in range(30):
    for i in range(0, 1000, 50):
        opt.zero_grad()
        loss = mse(net(x[i:i + 50]), y[i:i + 50])
        loss.backward()
        opt.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "mse", loss.item())
with torch.no_grad():
    print("test mse", mse(net(x[1000:]), y[1000:]).item())
