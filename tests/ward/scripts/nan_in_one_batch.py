import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes
from torch.utils.data import DataLoader, TensorDataset

np.random.seed(0)
torch.manual_seed(0)
torch.set_num_threads(1)
X, y = load_diabetes(return_X_y=True)
X = X / X.std(0)
y = (y - y.mean()) / y.std()
X[317, 4] = np.nan  # a missing lab value in the csv
CLEAN = False
if CLEAN:
    X = np.nan_to_num(X)
train = TensorDataset(torch.tensor(X[:352]).float(), torch.tensor(y[:352]).float())
net = nn.Sequential(nn.Linear(10, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))
opt = torch.optim.AdamW(net.parameters(), lr=2e-3)
for epoch in range(30):
    running = 0.0
    for xb, yb in DataLoader(train, batch_size=16, shuffle=True):
        opt.zero_grad()
        loss = nn.functional.mse_loss(net(xb).squeeze(1), yb)
        loss.backward()
        opt.step()
        running += loss.item()
    if epoch % 5 == 0:
        print("epoch", epoch, "mse", running / 22)
with torch.no_grad():
    pred = net(torch.tensor(X[352:]).float()).squeeze(1)
    print("test mse", ((pred - torch.tensor(y[352:]).float()) ** 2).mean().item())
