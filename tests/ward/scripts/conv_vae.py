import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)


class VAE(nn.Module):
    def __init__(self, latent=6):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten())
        self.mu, self.logvar = nn.Linear(128, latent), nn.Linear(128, latent)
        self.fc = nn.Linear(latent, 128)
        self.dec = nn.Sequential(nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 4, 2, 1))

    def forward(self, x):
        h = self.enc(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return torch.sigmoid(self.dec(self.fc(z).view(-1, 32, 2, 2))), mu, logvar


def elbo(recon, x, mu, logvar):
    bce = F.binary_cross_entropy(recon, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce, kld


x = torch.tensor(load_digits().images[:, None] / 16.0).float()
vae = VAE()
opt = torch.optim.Adam(vae.parameters(), lr=3e-3)
for epoch in range(12):
    for idx in torch.randperm(1500).split(64):
        recon, mu, logvar = vae(x[idx])
        bce, kld = elbo(recon, x[idx], mu, logvar)
        loss = bce + kld
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "bce", bce.item() / len(idx), "kld", kld.item() / len(idx))
with torch.no_grad():
    recon, mu, logvar = vae(x[1500:])
    print("test reconstruction mse", F.mse_loss(recon, x[1500:]).item())
