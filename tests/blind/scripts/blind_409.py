"""VAE on digits; the KL weight is annealed from 0 to 1 over the first half."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(4)
X = torch.tensor(load_digits().data / 16.0, dtype=torch.float32)
X = X[torch.randperm(len(X))]
train, test = X[:1400], X[1400:]


class VAE(nn.Module):
    def __init__(self, latent=12):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(64, 128), nn.ReLU())
        self.mu = nn.Linear(128, latent)
        self.logvar = nn.Linear(128, latent)
        self.dec = nn.Sequential(nn.Linear(latent, 128), nn.ReLU(), nn.Linear(128, 64))

    def forward(self, x):
        h = self.enc(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu) if self.training else mu
        return self.dec(z), mu, logvar


vae = VAE()
opt = torch.optim.Adam(vae.parameters(), lr=2e-3)
epochs = 30
for epoch in range(epochs):
    vae.train()
    beta = min(1.0, epoch / (epochs / 2))
    for xb in train[torch.randperm(1400)].split(70):
        logits, mu, lv = vae(xb)
        rec = F.binary_cross_entropy_with_logits(logits, xb, reduction="none").sum(1).mean()
        kl = -0.5 * (1 + lv - mu.pow(2) - lv.exp()).sum(1).mean()
        loss = rec + beta * kl
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} beta {beta:.2f} rec {rec.item():.2f} kl {kl.item():.2f}")
vae.eval()
with torch.no_grad():
    print("mean image mse", F.mse_loss(train.mean(0).expand_as(test), test).item())
    print("reconstruction mse", F.mse_loss(torch.sigmoid(vae(test)[0]), test).item())
