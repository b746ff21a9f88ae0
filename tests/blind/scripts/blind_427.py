"""Fourteen softsign layers with PyTorch's default initialisation predict disease progression from synthetic markers."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(12)
x = torch.randn(2400, 10)
y = torch.sin(x[:, 0] * 1.5) + 0.7 * x[:, 1] * (x[:, 2] > 0) + 0.1 * torch.randn(2400)
loader = DataLoader(TensorDataset(x[:2000], y[:2000]), batch_size=50, shuffle=True)


class DeepNet(nn.Module):
    def __init__(self, d=10, width=40, depth=14):
        super().__init__()
        self.first = nn.Linear(d, width)
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.act = nn.Softsign()
        self.last = nn.Linear(width, 1)

    def forward(self, x):
        h = self.act(self.first(x))
        for layer in self.layers:
            h = self.act(layer(h))
        return self.last(h).squeeze(1)


net = DeepNet()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(12):
    for xb, yb in loader:
        loss = nn.functional.mse_loss(net(xb), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 0:
        print("epoch", epoch, "train mse", loss.item())
with torch.no_grad():
    print("test mse", nn.functional.mse_loss(net(x[2000:]), y[2000:]).item())
