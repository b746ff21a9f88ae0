import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(0)


class Quantizer(nn.Module):
    """Replaces every vector by the nearest one of a learned codebook."""

    def __init__(self, codes=32, d=6):
        super().__init__()
        self.codebook = nn.Embedding(codes, d)
        nn.init.uniform_(self.codebook.weight, -0.5, 0.5)

    def forward(self, z):
        flat = z.reshape(-1, z.shape[-1])
        index = torch.cdist(flat, self.codebook.weight).argmin(1)
        q = self.codebook(index).view_as(z)
        loss = F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z, q.detach())
        return z + (q - z).detach(), loss


class VQAutoencoder(nn.Module):
    def __init__(self, parts=4, d=6):
        super().__init__()
        self.parts, self.d = parts, d
        self.encoder = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, parts * d))
        self.quantizer = Quantizer(32, d)
        self.decoder = nn.Sequential(nn.Linear(parts * d, 96), nn.ReLU(), nn.Linear(96, 64))

    def forward(self, x):
        z = self.encoder(x).view(-1, self.parts, self.d)
        q, vq_loss = self.quantizer(z)
        return self.decoder(q.flatten(1)), vq_loss


d = load_digits()
x = torch.tensor(d.data / 16.0, dtype=torch.float32)
model = VQAutoencoder()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(40):
    for i in torch.randperm(1400).split(50):
        rec, vq_loss = model(x[i])
        loss = F.mse_loss(rec, x[i]) + vq_loss
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 8 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    rec, _ = model(x[1400:])
    print("test mse", F.mse_loss(rec, x[1400:]).item())
