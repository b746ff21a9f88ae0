import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(60)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Flatten(), nn.Linear(144, 128), nn.ReLU(), nn.Linear(128, 12))
        self.dec = nn.Sequential(nn.Linear(6, 128), nn.ReLU(), nn.Linear(128, 144))

    def forward(self, x):
        mu, logvar = self.enc(x).chunk(2, 1)
        z = mu + torch.randn_like(mu) * (logvar / 2).exp()
        kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
        rec = F.binary_cross_entropy_with_logits(self.dec(z), x.flatten(1), reduction="none").sum(1)
        return (rec + kl).mean(), kl.mean()


def bars(n):
    x = torch.zeros(n, 12, 12)
    at, way = torch.randint(0, 10, (n,)), torch.randint(0, 2, (n,))
    for i in range(n):
        x[i, at[i] : at[i] + 3] = 1
        if way[i]:
            x[i] = x[i].T.clone()
    return x


vae = VAE()
opt = torch.optim.Adam(vae.parameters(), lr=2e-3)
for step in range(350):
    elbo, kl = vae(bars(64))
    opt.zero_grad()
    elbo.backward()
    opt.step()
    if step % 70 == 69:
        print(step + 1, elbo.item(), kl.item())
