import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(11)


class Router(nn.Module):
    """Pick one of eight prototypes for each sample."""

    def __init__(self, dim=16, slots=8):
        super().__init__()
        self.scores = nn.Sequential(nn.Linear(dim, 32), nn.ReLU(), nn.Linear(32, slots))
        self.register_buffer("prototypes", torch.randn(slots, dim))

    def forward(self, x):
        pick = torch.round(torch.softmax(self.scores(x), -1))
        return pick @ self.prototypes


net = Router()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for it in range(500):
    which = torch.randint(0, 8, (128,))
    x = net.prototypes[which] + 0.1 * torch.randn(128, 16)
    loss = F.mse_loss(net(x), net.prototypes[which])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 100 == 0:
        print(it, loss.item())
