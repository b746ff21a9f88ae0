import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

torch.manual_seed(0)
torch.set_num_threads(1)
d = load_digits()
x = torch.tensor(d.images[:, None] / 16.0).float()


def augment(b):
    b = torch.roll(b, (int(torch.randint(-1, 2, ())), int(torch.randint(-1, 2, ()))), (2, 3))
    return b * (torch.rand_like(b) > 0.15) + 0.1 * torch.randn_like(b)


encoder = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
projector = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 32))
opt = torch.optim.Adam([*encoder.parameters(), *projector.parameters()], lr=2e-3)


def nt_xent(a, b, tau=0.2):
    z = F.normalize(torch.cat([a, b]), dim=1)
    sim = z @ z.T / tau
    sim.fill_diagonal_(float("-inf"))
    n = len(a)
    return F.cross_entropy(sim, (torch.arange(2 * n) + n) % (2 * n))


for epoch in range(8):
    for idx in torch.randperm(1400).split(100):
        loss = nt_xent(projector(encoder(augment(x[idx]))), projector(encoder(augment(x[idx]))))
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "nt-xent", loss.item())
encoder.eval()
with torch.no_grad():
    h = encoder(x).numpy()
probe = LogisticRegression(max_iter=500).fit(h[:1400], d.target[:1400])
print("linear probe accuracy", probe.score(h[1400:], d.target[1400:]))
