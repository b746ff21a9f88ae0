import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(31)


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1, self.l2 = nn.Linear(16, 128), nn.Linear(128, 128)

    def forward(self, x):
        return torch.relu(self.l2(torch.relu(self.l1(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = Backbone()
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        return self.head(self.backbone(x))


model = Model()
nn.init.zeros_(model.head.weight)
centers = torch.randn(10, 16) * 2
y = torch.randint(0, 10, (4000,))
x = centers[y] + torch.randn(4000, 16)
loader = DataLoader(TensorDataset(x, y), batch_size=100, shuffle=True)
optimizer = torch.optim.Adam(model.backbone.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch}: {total / len(loader):.4f}")
