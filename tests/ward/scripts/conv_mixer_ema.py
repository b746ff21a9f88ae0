import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

torch.manual_seed(0)
torch.set_num_threads(1)


class Residual(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x):
        return self.fn(x) + x


def conv_mixer(dim, depth, kernel=3, patch=2, n_classes=10):
    return nn.Sequential(
        nn.Conv2d(1, dim, patch, stride=patch), nn.GELU(), nn.BatchNorm2d(dim),
        *[nn.Sequential(
            Residual(nn.Sequential(nn.Conv2d(dim, dim, kernel, groups=dim, padding="same"), nn.GELU(), nn.BatchNorm2d(dim))),
            nn.Conv2d(dim, dim, 1), nn.GELU(), nn.BatchNorm2d(dim)) for _ in range(depth)],
        nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(dim, n_classes))


d = load_digits()
x, y = torch.tensor(d.images[:, None] / 16.0).float(), torch.tensor(d.target)
model = conv_mixer(32, 3)
ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.95), use_buffers=True)
opt = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.05)
for epoch in range(7):
    model.train()
    for k in torch.randperm(1400).split(50):
        loss = nn.functional.cross_entropy(model(x[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
        ema.update_parameters(model)
    print("epoch", epoch, "loss", loss.item())
ema.eval()
with torch.no_grad():
    print("ema accuracy", (ema(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
