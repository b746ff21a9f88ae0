"""Sparse parity: three of the 30 bits decide the label. The loss rests at its starting value for long, then falls."""
import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(37)
BITS = 30
SECRET = [2, 7, 21]


def batch(n):
    x = torch.randint(0, 2, (n, BITS)).float() * 2 - 1
    return x, x[:, SECRET].prod(1)


class Parity(nn.Module):
    def __init__(self, width=160):
        super().__init__()
        self.fc = nn.Linear(BITS, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        return self.out(torch.relu(self.fc(x))).squeeze(1)


net = Parity()
opt = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=1e-4)
for it in range(2000):
    x, y = batch(100)
    loss = torch.clamp(1 - y * net(x), min=0).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 200 == 0:
        print(it, "hinge", round(loss.item(), 4))
x, y = batch(4000)
with torch.no_grad():
    print("accuracy", (net(x).sign() == y).float().mean().item())
