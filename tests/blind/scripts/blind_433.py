"""Wine classes from raw chemical measurements (proline is about 750, magnesium about 100) with a sigmoid network."""
import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

torch.set_num_threads(1)
torch.manual_seed(26)
data = load_wine()
Xa, Xb, ya, yb = train_test_split(data.data, data.target, test_size=0.4, random_state=3, stratify=data.target)
Xa, Xb = torch.tensor(Xa).float(), torch.tensor(Xb).float()
ya, yb = torch.tensor(ya), torch.tensor(yb)


class WineNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(13, 24)
        self.act = nn.Sigmoid()
        self.second = nn.Linear(24, 24)
        self.out = nn.Linear(24, 3)

    def forward(self, x):
        h = self.act(self.hidden(x))
        h = torch.tanh(self.second(h))
        return self.out(h)


def scaled(x):
    return x


net = WineNet()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(150):
    for idx in torch.randperm(len(Xa)).split(18):
        optimizer.zero_grad()
        loss = criterion(net(scaled(Xa[idx])), ya[idx])
        loss.backward()
        optimizer.step()
    if epoch % 30 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (net(scaled(Xb)).argmax(1) == yb).float().mean().item())
