import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
STRAIGHT_THROUGH = False


class Quantized(nn.Module):
    def __init__(self, levels=2):
        super().__init__()
        self.levels = levels
        self.encoder = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 6))
        self.decoder = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 64))

    def forward(self, x):
        z = torch.sigmoid(self.encoder(x))
        q = torch.round(z * self.levels) / self.levels
        if STRAIGHT_THROUGH:
            q = z + (q - z).detach()
        return self.decoder(q)


x = torch.tensor(load_digits().data / 16.0, dtype=torch.float32)
net = Quantized()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(20):
    for k in torch.randperm(1500).split(50):
        loss = ((net(x[k]) - x[k]) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 4 == 0:
        print("epoch", epoch, "mse", loss.item())
with torch.no_grad():
    print("test mse", ((net(x[1500:]) - x[1500:]) ** 2).mean().item())
