"""A sequence VAE: the decoder sees the token before, the latent says which sequence it is."""
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(21)
V, T, Z = 12, 16, 8


def batch(n):
    start, stride = torch.randint(0, V, (n, 1)), torch.randint(1, 4, (n, 1))
    clean = (start + stride * torch.arange(T)) % V
    return clean


class SeqVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(V, 24)
        self.enc = nn.GRU(24, 48, batch_first=True)
        self.mu, self.logvar = nn.Linear(48, Z), nn.Linear(48, Z)
        self.dec = nn.GRU(24, 48, batch_first=True)
        self.init = nn.Linear(Z, 48)
        self.out = nn.Linear(48, V)

    def forward(self, s):
        _, h = self.enc(self.emb(s))
        mu, logvar = self.mu(h[-1]), self.logvar(h[-1])
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        y, _ = self.dec(self.emb(s[:, :-1]), self.init(z).unsqueeze(0))
        rec = F.cross_entropy(self.out(y).reshape(-1, V), s[:, 1:].reshape(-1))
        kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1).mean()
        return rec, kl


m = SeqVAE()
opt = torch.optim.Adam(m.parameters(), lr=3e-3)
for step in range(300):
    rec, kl = m(batch(64))
    loss = rec + 1.0 * kl
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 99:
        print(step + 1, rec.item(), kl.item())
