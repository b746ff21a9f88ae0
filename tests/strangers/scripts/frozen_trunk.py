import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(14)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )
        self.classifier = nn.Linear(16, 6)

    def forward(self, x):
        with torch.no_grad():
            h = self.features(x)
        return self.classifier(h)


def images(n):
    label = torch.randint(0, 6, (n,))
    grid = torch.arange(16).float()
    freq, orient = 0.4 + 0.35 * (label % 3), label // 3
    wave = torch.sin(freq[:, None] * grid + 6.28 * torch.rand(n, 1))
    flat = wave[:, None, :].expand(n, 16, 16)
    img = torch.where(orient[:, None, None] == 0, flat, flat.transpose(1, 2))
    return (img + 0.3 * torch.randn(n, 16, 16)).unsqueeze(1), label


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for step in range(400):
    x, y = images(64)
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
x, y = images(512)
print("loss", loss.item(), "accuracy", (net(x).argmax(1) == y).float().mean().item())
