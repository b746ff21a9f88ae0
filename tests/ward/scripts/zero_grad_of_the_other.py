import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
d = load_digits()
x, y = torch.tensor(d.images[:, None] / 16.0).float(), torch.tensor(d.target)
features = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 24, 3), nn.ReLU(), nn.Flatten())
classifier = nn.Sequential(nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, 10))
opt_f = torch.optim.SGD(features.parameters(), lr=0.3)
opt_c = torch.optim.SGD(classifier.parameters(), lr=0.3)
for epoch in range(8):
    for k in torch.randperm(1400).split(40):
        opt_c.zero_grad()
        opt_c.zero_grad()
        loss = nn.functional.cross_entropy(classifier(features(x[k])), y[k])
        loss.backward()
        opt_f.step()
        opt_c.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (classifier(features(x[1400:])).argmax(1) == y[1400:]).float().mean().item())
