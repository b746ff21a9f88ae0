import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
d = load_digits()
x, y = torch.tensor(d.images[:, None] / 16.0).float(), torch.tensor(d.target)


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.conv = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.head = nn.Linear(32 * 16, 5)

    def features(self, x):
        x = torch.relu(self.bn(self.stem(x)))
        return torch.relu(self.conv(x)).flatten(1)

    def forward(self, x):
        return self.head(self.features(x))


model = Backbone()
low = (y[:1400] < 5).nonzero().squeeze(1)
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(3):
    for k in low[torch.randperm(len(low))].split(50):
        loss = nn.functional.cross_entropy(model(x[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("pretrain", epoch, loss.item())

for p in model.parameters():
    p.requires_grad_(False)
model.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10))
model.eval()
model.head.train()
opt = torch.optim.AdamW(filter(lambda p: p.requires_grad, model.parameters()), lr=2e-3)
for epoch in range(5):
    for k in torch.randperm(1400).split(50):
        loss = nn.functional.cross_entropy(model(x[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("finetune", epoch, loss.item())
model.eval()
with torch.no_grad():
    print("accuracy", (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
