import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(0)


class Backbone(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.fc = nn.Linear(24 * 4, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


def train(model, opt, x, y, epochs, tag):
    for epoch in range(epochs):
        for i in torch.randperm(len(x)).split(40):
            loss = F.cross_entropy(model(x[i]), y[i])
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(tag, epoch, "loss", loss.item())


d = load_digits()
x = torch.tensor(d.images[:, None] / 16.0, dtype=torch.float32)
y = torch.tensor(d.target)
old, new = y < 5, y >= 5
xo, yo = x[old], y[old]
xn, yn = x[new], y[new] - 5

model = Backbone(5)
train(model, torch.optim.Adam(model.parameters(), lr=2e-3), xo, yo, 5, "old classes")

# transfer: keep the features, learn a new output layer
for p in model.parameters():
    p.requires_grad_(False)
model.fc.requires_grad_(True)
opt = torch.optim.SGD(model.fc.parameters(), lr=0.05, momentum=0.9)
model.fc = nn.Linear(24 * 4, 5)
train(model, opt, xn[:600], yn[:600], 10, "new classes")
model.eval()
with torch.no_grad():
    print("accuracy on the new classes", (model(xn[600:]).argmax(1) == yn[600:]).float().mean().item())
