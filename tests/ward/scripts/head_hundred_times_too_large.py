import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
d = load_digits()
X, y = torch.tensor(d.data / 16.0).float(), torch.tensor(d.target)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 48), nn.LayerNorm(48), nn.GELU())
        self.head = nn.Linear(48, 10)
        nn.init.normal_(self.head.weight, std=30.0)

    def forward(self, x):
        return self.head(self.body(x))


model = Classifier()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(8):
    for i in range(0, 1400, 50):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X[i:i + 50]), y[i:i + 50])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("test loss", nn.functional.cross_entropy(model(X[1400:]), y[1400:]).item())
