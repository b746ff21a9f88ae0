import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)


class SquashedConvNet(nn.Module):
    def __init__(self, width=16, depth=7):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.body = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
        self.act = nn.Sigmoid()
        self.head = nn.Linear(width * 4, 10)

    def forward(self, x):
        x = self.act(self.stem(x))
        for conv in self.body:
            x = self.act(conv(x))
        return self.head(nn.functional.avg_pool2d(x, 4).flatten(1))


digits = load_digits()
images = torch.tensor(digits.images[:, None] / 16.0).float()
labels = torch.tensor(digits.target)
model = SquashedConvNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(8):
    for idx in torch.randperm(1400).split(50):
        loss = nn.functional.cross_entropy(model(images[idx]), labels[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (model(images[1400:]).argmax(1) == labels[1400:]).float().mean().item())
