import torch
from torch import nn

torch.manual_seed(9)


class Walk(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.cell, self.read = nn.RNNCell(4, hidden), nn.Linear(hidden, 1)
        nn.init.normal_(self.cell.weight_hh, std=0.2)

    def forward(self, x):
        h = x.new_zeros(x.shape[0], 64)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return self.read(h)


net = Walk()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(400):
    x = torch.randn(32, 40, 4)
    y = x[:, -5:, 0].mean(1, keepdim=True)
    loss = (net(x) - y).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    if step % 80 == 79:
        print(step + 1, loss.item())
