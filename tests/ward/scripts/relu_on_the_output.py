import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes

torch.manual_seed(1)
torch.set_num_threads(1)
X, y = load_diabetes(return_X_y=True)
X = torch.tensor(X / X.std(0), dtype=torch.float32)
y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)
layers = []
for a, b in [(10, 48), (48, 24), (24, 1)]:
    layers += [nn.Linear(a, b), nn.ReLU()]
model = nn.Sequential(*layers)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(30):
    for k in torch.randperm(352).split(32):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(X[k]).squeeze(1), y[k])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "mse", loss.item())
with torch.no_grad():
    print("test mse", nn.functional.mse_loss(model(X[352:]).squeeze(1), y[352:]).item())
