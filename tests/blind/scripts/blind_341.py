import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(0)


class MixerBlock(nn.Module):
    """Mixes over the patches, then over the channels."""

    def __init__(self, patches, dim):
        super().__init__()
        self.token = nn.Linear(patches, patches)
        self.channel = nn.Linear(dim, dim)

    def forward(self, x):
        x = torch.sigmoid(self.token(x.transpose(1, 2)).transpose(1, 2))
        return torch.sigmoid(self.channel(x))


class Mixer(nn.Module):
    def __init__(self, dim=32, depth=5):
        super().__init__()
        self.patch = nn.Conv2d(1, dim, 2, stride=2)
        self.blocks = nn.ModuleList(MixerBlock(16, dim) for _ in range(depth))
        self.head = nn.Linear(dim * 16, 10)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_normal_(m.weight)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(x.flatten(1))


d = load_digits()
x = torch.tensor(d.images[:, None] / 8.0 - 1, dtype=torch.float32)
y = torch.tensor(d.target)
net = Mixer()
opt = torch.optim.SGD(net.parameters(), lr=0.005, momentum=0.9)
for epoch in range(10):
    net.train()
    for i in torch.randperm(1400).split(50):
        loss = F.cross_entropy(net(x[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
net.eval()
with torch.no_grad():
    print("test accuracy", (net(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
