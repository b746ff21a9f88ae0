import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
d = load_digits()
X, y = torch.tensor(d.data / 16.0).float(), torch.tensor(d.target)
model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=2.0, momentum=0.99)
for epoch in range(10):
    for k in torch.randperm(1400).split(40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X[k]), y[k])
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("test loss", nn.functional.cross_entropy(model(X[1400:]), y[1400:]).item())
