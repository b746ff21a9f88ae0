import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

torch.set_num_threads(1)
torch.manual_seed(0)


class Houses(Dataset):
    """Made-up house prices from six features, already standardised."""

    def __init__(self, n):
        self.x = torch.randn(n, 6)
        a, b, c, e, f, g = self.x.t()
        self.y = 1.2 * a + torch.sin(2 * b) + 0.6 * c * e - 0.5 * f.abs() + 0.3 * g + 0.1 * torch.randn(n)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(6, 64), nn.ReLU(),
            nn.Linear(64, 64), nn.ReLU(),
            nn.Linear(64, 1),
        )

    def forward(self, x):
        return self.net(x)


train, test = Houses(2000), Houses(500)
model = Regressor()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(15):
    model.train()
    total = 0.0
    for xb, yb in DataLoader(train, batch_size=64, shuffle=True):
        pred = model(xb)[:, 0]
        loss = F.mse_loss(pred, yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(xb)
    print("epoch", epoch, "train mse", total / len(train))
model.eval()
with torch.no_grad():
    pred = model(test.x)[:, 0]
    print("test mse", (pred - test.y).pow(2).mean().item())
