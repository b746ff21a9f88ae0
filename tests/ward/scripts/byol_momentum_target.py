import copy
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)


class Online(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 64))
        self.projector = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32))
        self.predictor = nn.Sequential(nn.Linear(32, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32))

    def forward(self, x):
        return self.projector(self.backbone(x))


d = load_digits()
X, y = torch.tensor(d.data / 16.0).float(), torch.tensor(d.target)
online = Online()
target = copy.deepcopy(online)
for p in target.parameters():
    p.requires_grad = False
optimizer = torch.optim.AdamW(online.parameters(), lr=2e-3, weight_decay=1e-4)


def view(x):
    return x * (torch.rand_like(x) > 0.2) + 0.05 * torch.randn_like(x)


def regression(p, z):
    return 2 - 2 * F.cosine_similarity(p, z.detach(), dim=-1).mean()


for epoch in range(10):
    for idx in torch.randperm(1400).split(100):
        a, b = view(X[idx]), view(X[idx])
        with torch.no_grad():
            ta, tb = target(a), target(b)
        loss = regression(online.predictor(online(a)), tb) + regression(online.predictor(online(b)), ta)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for t, o in zip(target.parameters(), online.parameters()):
                t.mul_(0.98).add_(o, alpha=0.02)
    print(f"epoch {epoch}: {loss.item():.4f}")
online.eval()
with torch.no_grad():
    h = F.normalize(online.backbone(X), dim=1)
nearest = (h[1400:] @ h[:1400].T).argmax(1)
print("nearest-neighbour accuracy", (y[:1400][nearest] == y[1400:]).float().mean().item())
