import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
DTYPE = torch.float16
d = load_digits()
X, y = torch.tensor(d.data / 16.0).to(DTYPE), torch.tensor(d.target)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).to(DTYPE)
# the default eps of 1e-8 is zero in float16
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(6):
    for k in torch.randperm(1400).split(50):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X[k]).float(), y[k])
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (model(X[1400:]).argmax(1) == y[1400:]).float().mean().item())
