import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(55)
x = torch.randn(3000, 8)
price = 200 + 60 * x[:, 0] + 25 * x[:, 1] * x[:, 2] - 30 * x[:, 3].abs() + 8 * torch.randn(3000)
y = (price - price.mean()) / price.std()
net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
loader = DataLoader(TensorDataset(x[:2500], y[:2500]), 64, shuffle=True)
for epoch in range(8):
    net.train()
    for a, b in loader:
        loss = nn.functional.huber_loss(net(a).squeeze(1), b)
        opt.zero_grad()
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        print(epoch, (net(x[2500:]).squeeze(1) - y[2500:]).pow(2).mean().item())
