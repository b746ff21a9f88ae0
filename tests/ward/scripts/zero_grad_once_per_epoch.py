import torch
import torch.nn as nn
from sklearn.datasets import make_friedman1

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = make_friedman1(1500, noise=0.3, random_state=0)
X = torch.tensor(X * 2 - 1).float()
y = torch.tensor((y - y.mean()) / y.std()).float().unsqueeze(1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(10, 64), nn.Linear(64, 64), nn.Linear(64, 1)

    def forward(self, x):
        return self.fc3(torch.tanh(self.fc2(torch.tanh(self.fc1(x)))))


net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for epoch in range(30):
    optimizer.zero_grad()
    for i in range(0, 1200, 24):
        loss = nn.functional.mse_loss(net(X[i:i + 24]), y[i:i + 24])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("test mse", nn.functional.mse_loss(net(X[1200:]), y[1200:]).item())
