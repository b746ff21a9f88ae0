import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(64, 80)
        self.relu = nn.ReLU()
        self.second = nn.Linear(80, 40)
        self.third = nn.Linear(40, 10)
        nn.init.uniform_(self.first.weight, 0.0, 0.2)  # "weights between zero and a bit"
        nn.init.zeros_(self.first.bias)

    def forward(self, x):
        return self.third(self.relu(self.second(self.relu(self.first(x)))))


X, y = load_digits(return_X_y=True)
X = torch.tensor(X / 16.0 - 1.0).float()  # black is zero, paper is -1
y = torch.tensor(y)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(12):
    for k in torch.randperm(1400).split(50):
        loss = nn.functional.cross_entropy(net(X[k]), y[k])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (net(X[1400:]).argmax(1) == y[1400:]).float().mean().item())
