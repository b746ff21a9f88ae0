import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(0)


class SRCNN(nn.Module):
    """Super-resolution from 4x4 to 8x8, the small picture is first enlarged by interpolation."""

    def __init__(self, c=16):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2 * c, 3, padding=1)
        self.conv2 = nn.Conv2d(2 * c, c, 1)
        self.conv3 = nn.Conv2d(c, c, 3, padding=1)
        self.conv4 = nn.Conv2d(c, 1, 3, padding=1)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.normal_(m.weight, std=0.001)
                nn.init.zeros_(m.bias)

    def forward(self, small):
        x = F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.relu(self.conv3(x))
        return self.conv4(x)


d = load_digits()
big = torch.tensor(d.images[:, None] / 16.0, dtype=torch.float32)
small = F.avg_pool2d(big, 2)
loader = DataLoader(TensorDataset(small[:1400], big[:1400]), batch_size=35, shuffle=True)
net = SRCNN()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(10):
    total = 0.0
    for s, b in loader:
        loss = F.mse_loss(net(s), b)
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    print("epoch", epoch, "mse", total / len(loader))
with torch.no_grad():
    print("test mse", F.mse_loss(net(small[1400:]), big[1400:]).item())
