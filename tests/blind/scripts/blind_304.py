import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(5)


class LoRALinear(nn.Module):
    def __init__(self, base, rank=4, alpha=8):
        super().__init__()
        self.base = base
        for p in self.base.parameters():
            p.requires_grad_(False)
        self.A = nn.Parameter(torch.empty(rank, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scale = alpha / rank

    def forward(self, x):
        return self.base(x) + self.scale * F.linear(F.linear(x, self.A), self.B)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 96)
        self.fc2 = nn.Linear(96, 96)
        self.head = nn.Linear(96, 10)

    def forward(self, x):
        h = F.gelu(self.fc1(x))
        h = h + F.gelu(self.fc2(h))
        return self.head(h)


def fit(model, params, x, y, epochs, lr, tag):
    opt = torch.optim.AdamW(params, lr=lr, weight_decay=0.01)
    for epoch in range(epochs):
        for i in torch.randperm(len(x)).split(64):
            loss = F.cross_entropy(model(x[i]), y[i])
            opt.zero_grad()
            loss.backward()
            opt.step()
        if epoch % 5 == 0:
            print(tag, epoch, loss.item())


d = load_digits()
img = torch.tensor(d.images / 16.0, dtype=torch.float32)
y = torch.tensor(d.target)
flat = img.flatten(1)
turned = img.transpose(1, 2).flip(2).flatten(1)  # the downstream task: rotated digits
net = Net()
fit(net, net.parameters(), flat[:1400], y[:1400], 12, 2e-3, "pretrain")

for p in net.parameters():
    p.requires_grad_(False)
net.fc1 = LoRALinear(net.fc1)
net.fc2 = LoRALinear(net.fc2)
trainable = [p for p in net.parameters() if p.requires_grad]
print("trainable", sum(p.numel() for p in trainable), "of", sum(p.numel() for p in net.parameters()))
fit(net, trainable, turned[:1400], y[:1400], 25, 5e-3, "lora")
net.eval()
with torch.no_grad():
    print("accuracy on turned digits", (net(turned[1400:]).argmax(1) == y[1400:]).float().mean().item())
