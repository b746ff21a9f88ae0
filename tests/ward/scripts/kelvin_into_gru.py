import math
import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)
# hourly temperatures in kelvin
t = torch.arange(900.0)
kelvin = 285 + 8 * torch.sin(2 * math.pi * t / 24) + 4 * torch.sin(2 * math.pi * t / 90) + 0.5 * torch.randn(900)
z = (kelvin - kelvin.mean()) / kelvin.std()
features = kelvin
W = 30
X = torch.stack([features[i:i + W] for i in range(900 - W)]).unsqueeze(-1)
Y = z[W:]


class WeatherNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(1, 24, batch_first=True)
        self.head = nn.Sequential(nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x):
        return self.head(self.gru(x)[0][:, -1]).squeeze(-1)


net = WeatherNet()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(8):
    for k in torch.randperm(700).split(35):
        opt.zero_grad()
        loss = nn.functional.mse_loss(net(X[k]), Y[k])
        loss.backward()
        opt.step()
    print("epoch", epoch, "mse", loss.item())
with torch.no_grad():
    print("test mse", nn.functional.mse_loss(net(X[700:]), Y[700:]).item())
