import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)


class Square(nn.Module):
    def forward(self, x):
        return x ** 2


def act():
    return Square()


d = load_digits()
X, y = torch.tensor(d.data / 8.0 - 1.0).float(), torch.tensor(d.target)
model = nn.Sequential(
    nn.Linear(64, 64), act(), nn.Linear(64, 64), act(), nn.Linear(64, 64), act(), nn.Linear(64, 64), act(), nn.Linear(64, 10)
)
for m in model:
    if isinstance(m, nn.Linear):
        nn.init.kaiming_normal_(m.weight)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
for epoch in range(8):
    for i in range(0, 1400, 50):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X[i:i + 50]), y[i:i + 50])
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (model(X[1400:]).argmax(1) == y[1400:]).float().mean().item())
