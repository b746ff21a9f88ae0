import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_iris

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = load_iris(return_X_y=True)
order = torch.randperm(150, generator=torch.Generator().manual_seed(0))
X, y = torch.tensor(X).float()[order], torch.tensor(y)[order]
X = (X - X[:110].mean(0)) / X[:110].std(0)


class IrisNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 16)
        self.fc2 = nn.Linear(16, 16)
        self.fc3 = nn.Linear(16, 3)

    def init_weights(self):
        for m in (self.fc1, self.fc2, self.fc3):
            nn.init.zeros_(m.weight)
            nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


net = IrisNet()
net.init_weights()
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(120):
    for i in range(0, 110, 22):
        opt.zero_grad()
        loss = F.cross_entropy(net(X[i:i + 22]), y[i:i + 22])
        loss.backward()
        opt.step()
    if epoch % 20 == 0:
        print("epoch", epoch, "loss", loss.item())
print("accuracy", (net(X[110:]).argmax(1) == y[110:]).float().mean().item())
