import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
d = load_digits()
X, y = torch.tensor(d.data / 16.0).float(), torch.tensor(d.target)
STD = 1e-3


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in [(64, 64), (64, 64), (64, 64), (64, 10)])
        for layer in self.layers:
            nn.init.normal_(layer.weight, mean=0.0, std=STD)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = nn.functional.leaky_relu(layer(x), 0.01)
        return self.layers[-1](x)


net = MLP()
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for epoch in range(12):
    for k in torch.randperm(1400).split(50):
        loss = nn.functional.cross_entropy(net(X[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (net(X[1400:]).argmax(1) == y[1400:]).float().mean().item())
