import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_wine

np.random.seed(0)
torch.manual_seed(0)
torch.set_num_threads(1)


class Tower(nn.Module):
    def __init__(self, n_in, n_out, width=40, depth=8, std=0.02):
        super().__init__()
        sizes = [n_in] + [width] * depth + [n_out]
        for k, (a, b) in enumerate(zip(sizes, sizes[1:])):
            layer = nn.Linear(a, b)
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)
            setattr(self, f"fc{k}", layer)
        self.depth = depth

    def forward(self, x):
        for k in range(self.depth):
            x = F.tanh(getattr(self, f"fc{k}")(x))
        return getattr(self, f"fc{self.depth}")(x)


X, y = load_wine(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
order = np.random.permutation(len(X))
X, y = torch.from_numpy(X[order]).float(), torch.from_numpy(y[order])
net = Tower(13, 3)
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for epoch in range(80):
    for i in range(0, 130, 26):
        opt.zero_grad()
        loss = F.cross_entropy(net(X[i:i + 26]), y[i:i + 26])
        loss.backward()
        opt.step()
    if epoch % 10 == 0:
        print(f"{epoch:3d} {loss.item():.5f}")
print("accuracy", (net(X[130:]).argmax(1) == y[130:]).float().mean().item())
