import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)


class ConvAutoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 12, 3, 2, 1), nn.ReLU(), nn.Conv2d(12, 16, 3, 2, 1), nn.ReLU())
        self.decoder = nn.Sequential(nn.ConvTranspose2d(16, 12, 2, 2), nn.ReLU(), nn.ConvTranspose2d(12, 1, 2, 2), nn.Tanh())

    def forward(self, x):
        return self.decoder(self.encoder(x))


images = torch.tensor(load_digits().images[:, None], dtype=torch.float32)  # grey values 0..16
net = ConvAutoencoder()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(10):
    for k in torch.randperm(1500).split(50):
        loss = nn.functional.mse_loss(net(images[k]), images[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "mse", loss.item())
with torch.no_grad():
    print("test mse", nn.functional.mse_loss(net(images[1500:]), images[1500:]).item())
