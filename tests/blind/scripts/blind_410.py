"""VQ-VAE on 8x8 digits: nearest codebook vector, straight-through gradient, commitment loss."""
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(6)


class VectorQuantizer(nn.Module):
    def __init__(self, codes=48, dim=16, commit=0.25):
        super().__init__()
        self.codebook = nn.Embedding(codes, dim)
        self.commit = commit

    def forward(self, z):
        flat = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
        idx = torch.cdist(flat, self.codebook.weight).argmin(1)
        q = self.codebook(idx).view(z.shape[0], z.shape[2], z.shape[3], -1).permute(0, 3, 1, 2)
        loss = F.mse_loss(q, z.detach()) + self.commit * F.mse_loss(z, q.detach())
        return z + (q - z).detach(), loss, idx


class VQVAE(nn.Module):
    def __init__(self, c=32, dim=16):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, c, 4, 2, 1), nn.ReLU(), nn.Conv2d(c, c, 3, 2, 1), nn.ReLU(), nn.Conv2d(c, dim, 1))
        self.vq = VectorQuantizer(dim=dim)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(dim, c, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(c, c, 4, 2, 1), nn.ReLU(), nn.Conv2d(c, 1, 3, padding=1)
        )

    def forward(self, x):
        q, vq_loss, idx = self.vq(self.encoder(x))
        return self.decoder(q), vq_loss, idx


X = torch.tensor(load_digits().images / 16.0).float().unsqueeze(1)
X = X[torch.randperm(len(X))]
train, test = X[:1400], X[1400:]
model = VQVAE()
with torch.no_grad():  # the usual start: codes drawn from the encoder's own output
    z = model.encoder(train[:200]).permute(0, 2, 3, 1).reshape(-1, 16)
    model.vq.codebook.weight.copy_(z[torch.randperm(len(z))[:48]])
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(14):
    for xb in train[torch.randperm(len(train))].split(50):
        out, vq_loss, idx = model(xb)
        loss = F.mse_loss(out, xb) / 0.07 + vq_loss
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 0:
        print("epoch", epoch, "loss", loss.item(), "codes in use", len(idx.unique()))
with torch.no_grad():
    print("mean image", F.mse_loss(train.mean(0).expand_as(test), test).item())
    print("reconstruction mse", F.mse_loss(model(test)[0], test).item())
