"""Masked autoencoder: 2x2 patches of digits, the encoder sees half of them; linear warm-up then cosine."""
import math

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(9)
img = torch.tensor(load_digits().images / 16.0).float()
patches = img.unfold(1, 2, 2).unfold(2, 2, 2).reshape(len(img), 16, 4)
patches = patches[torch.randperm(len(patches))]
train, test = patches[:1400], patches[1400:]


def block(d):
    return nn.TransformerEncoderLayer(d, 4, 2 * d, dropout=0.0, batch_first=True, norm_first=True)


class MAE(nn.Module):
    def __init__(self, d=32, keep=8):
        super().__init__()
        self.keep = keep
        self.embed = nn.Linear(4, d)
        self.pos = nn.Parameter(torch.randn(1, 16, d) * 0.1)
        self.dec_pos = nn.Parameter(torch.randn(1, 16, d) * 0.1)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, d))
        self.encoder = nn.Sequential(block(d), block(d))
        self.decoder = block(d)
        self.head = nn.Linear(d, 4)

    def forward(self, x):
        n = len(x)
        order = torch.rand(n, 16).argsort(1)
        vis = order[:, : self.keep, None]
        h = self.embed(x) + self.pos
        h = self.encoder(h.gather(1, vis.expand(-1, -1, h.shape[2])))
        full = self.mask_token.expand(n, 16, -1).clone().scatter(1, vis.expand(-1, -1, h.shape[2]), h)
        pred = self.head(self.decoder(full + self.dec_pos))
        mask = torch.ones(n, 16).scatter(1, order[:, : self.keep], 0.0)
        return (((pred - x) ** 2).mean(2) * mask).sum() / mask.sum()


model = MAE()
steps, warm = 450, 100
opt = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.05, betas=(0.9, 0.95))
sched = torch.optim.lr_scheduler.LambdaLR(
    opt, lambda s: (s / warm) ** 2 if s < warm else 0.5 * (1 + math.cos(math.pi * (s - warm) / (steps - warm)))
)
for it in range(steps):
    loss = model(train[torch.randint(1400, (64,))])
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    if it % 50 == 0:
        print(it, "lr", sched.get_last_lr()[0], "masked mse", loss.item())
model.eval()
with torch.no_grad():
    print("mean patch", ((train.mean(0) - test) ** 2).mean().item())
    print("test masked mse", model(test).item())
