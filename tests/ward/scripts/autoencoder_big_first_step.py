import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)


class AutoEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc1, self.enc2 = nn.Linear(64, 48), nn.Linear(48, 24)
        self.dec1, self.dec2 = nn.Linear(24, 48), nn.Linear(48, 64)

    def forward(self, x):
        z = self.enc1(x).clamp_min(0)
        z = self.enc2(z).clamp_min(0)
        return self.dec2(self.dec1(z).clamp_min(0))


x = torch.tensor(load_digits().data / 16.0, dtype=torch.float32)
model = AutoEncoder()
opt = torch.optim.Adam(model.parameters(), lr=0.3)
for epoch in range(25):
    for idx in torch.randperm(1500).split(60):
        loss = ((model(x[idx]) - x[idx]) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("test error", ((model(x[1500:]) - x[1500:]) ** 2).mean().item())
