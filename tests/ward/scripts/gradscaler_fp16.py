import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
d = load_digits()
X, y = torch.tensor(d.data / 16.0).float(), torch.tensor(d.target)
net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
# the first scales are too large on purpose: the scaler skips those steps and backs off
scaler = torch.amp.GradScaler("cpu", init_scale=2.0 ** 20, growth_interval=100)
for epoch in range(10):
    for idx in torch.randperm(1400).split(50):
        opt.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            loss = nn.functional.cross_entropy(net(X[idx]), y[idx])
        scaler.scale(loss).backward()
        scaler.unscale_(opt)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        scaler.step(opt)
        scaler.update()
    print("epoch", epoch, "loss", loss.item(), "scale", scaler.get_scale())
with torch.no_grad():
    print("accuracy", (net(X[1400:]).argmax(1) == y[1400:]).float().mean().item())
