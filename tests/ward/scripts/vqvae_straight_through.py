import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)


class Quantizer(nn.Module):
    def __init__(self, n=64, dim=8):
        super().__init__()
        self.codebook = nn.Embedding(n, dim)
        nn.init.uniform_(self.codebook.weight, -0.5, 0.5)

    def forward(self, z):
        code = torch.cdist(z, self.codebook.weight).argmin(-1)
        q = self.codebook(code)
        loss = F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z, q.detach())
        return z + (q - z).detach(), loss, code


class VQVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32))
        self.vq = Quantizer()
        self.dec = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, x):
        q, loss, code = self.vq(self.enc(x).view(-1, 4, 8))
        return torch.sigmoid(self.dec(q.flatten(1))), loss, code


x = torch.tensor(load_digits().data / 16.0).float()
net = VQVAE()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(15):
    for k in torch.randperm(1500).split(50):
        recon, vq, code = net(x[k])
        loss = F.mse_loss(recon, x[k]) + 0.1 * vq
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 0:
        print("epoch", epoch, "loss", loss.item(), "codes used", code.unique().numel())
with torch.no_grad():
    print("test mse", F.mse_loss(net(x[1500:])[0], x[1500:]).item())
