import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
torch.set_num_threads(1)
TEMPERATURE = 0.002


class SoftTable(nn.Module):
    """Reads a memory by content: softmax over similarities to learned keys."""

    def __init__(self, slots=32, dim=12):
        super().__init__()
        self.query = nn.Linear(4, dim)
        self.keys = nn.Parameter(torch.randn(slots, dim))
        self.values = nn.Parameter(0.1 * torch.randn(slots, 1))

    def forward(self, x):
        weights = F.softmax(self.query(x) @ self.keys.T / TEMPERATURE, dim=-1)
        return (weights @ self.values).squeeze(-1)


def truth(x):
    return torch.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]


net = SoftTable()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for step in range(800):
    x = torch.randn(128, 4)
    loss = F.mse_loss(net(x), truth(x))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        print(step, loss.item())
with torch.no_grad():
    x = torch.randn(3000, 4)
    print("test mse", F.mse_loss(net(x), truth(x)).item())
