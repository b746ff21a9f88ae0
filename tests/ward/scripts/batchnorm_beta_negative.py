import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
d = load_digits()
x, y = torch.tensor(d.images[:, None] / 16.0).float(), torch.tensor(d.target)


class ConvBNReLU(nn.Sequential):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__(nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


class MobileLike(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = ConvBNReLU(1, 16)
        self.layer2 = ConvBNReLU(16, 24, 2)
        self.layer3 = ConvBNReLU(24, 32, 2)
        self.fc = nn.Linear(32, 10)
        nn.init.constant_(self.layer2[1].bias, -6.0)

    def forward(self, x):
        return self.fc(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


net = MobileLike()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(5):
    net.train()
    for k in torch.randperm(1400).split(50):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(net(x[k]), y[k])
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
net.eval()
with torch.no_grad():
    print("accuracy", (net(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
