import torch
import torch.nn as nn
from sklearn.datasets import make_friedman1

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = make_friedman1(1400, noise=0.3, random_state=0)
X = torch.tensor(X * 2 - 1).float()
y = torch.tensor((y - y.mean()) / y.std()).float()
hidden = [50] * 8


def build(sizes, activation):
    modules = []
    for a, b in zip(sizes, sizes[1:]):
        modules.append(nn.Linear(a, b))
        modules.append(activation())
    return nn.Sequential(*modules, nn.Linear(sizes[-1], 1))


model = build([10] + hidden, nn.Sigmoid)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(25):
    for k in torch.randperm(1100).split(44):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(X[k]).squeeze(1), y[k])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "mse", loss.item())
with torch.no_grad():
    print("test mse", nn.functional.mse_loss(model(X[1100:]).squeeze(1), y[1100:]).item())
