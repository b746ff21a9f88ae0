import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = load_breast_cancer(return_X_y=True)
perm = torch.randperm(len(X), generator=torch.Generator().manual_seed(0))
X = torch.tensor((X - X.mean(0)) / X.std(0)).float()[perm]
y = torch.tensor(y)[perm]
WARMUP_STEPS = 2_000_000  # from a config for a much bigger model
net = nn.Sequential(nn.Linear(30, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 2))
opt = torch.optim.AdamW(net.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda step: min(1.0, (step + 1) / WARMUP_STEPS))
for epoch in range(40):
    for k in torch.randperm(400).split(40):
        loss = nn.functional.cross_entropy(net(X[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
    if epoch % 8 == 0:
        print("epoch", epoch, "lr", sched.get_last_lr()[0], "loss", loss.item())
with torch.no_grad():
    print("test loss", nn.functional.cross_entropy(net(X[400:]), y[400:]).item())
