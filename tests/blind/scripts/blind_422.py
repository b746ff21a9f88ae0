"""Graph network with sum aggregation on dense random graphs: is the graph's hub-weighted feature mean positive?"""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(2)
NODES = 30


def adjacency(n):
    a = (torch.rand(n, NODES, NODES) < 0.4).float()
    a = torch.triu(a, 1)
    return a + a.transpose(1, 2) + torch.eye(NODES)


def prepare(a):
    return a


def make(n):
    a = adjacency(n)
    x = torch.randn(n, NODES, 8)
    score = (x[..., 0] + 0.5 * torch.tanh(x[..., 1] * 2)).mean(1) * 3
    return prepare(a), x, score


class GCNLayer(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.lin = nn.Linear(i, o)

    def forward(self, a, h):
        return F.elu(self.lin(a @ h))


class GraphNet(nn.Module):
    def __init__(self, h=32, layers=4):
        super().__init__()
        self.own = nn.Linear(8, h)
        self.convs = nn.ModuleList(GCNLayer(h, h) for _ in range(layers))
        self.readout = nn.Linear(h, 1)

    def forward(self, a, x):
        h = self.own(x)
        for conv in self.convs:
            h = conv(a, h)
        return self.readout(h.mean(1)).squeeze(1)


a, x, y = make(1000)
at, xt, yt = make(400)
net = GraphNet()
opt = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
for epoch in range(12):
    for idx in torch.randperm(1000).split(40):
        opt.zero_grad()
        loss = F.smooth_l1_loss(net(a[idx], x[idx]), y[idx])
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("test error", F.l1_loss(net(at, xt), yt).item())
