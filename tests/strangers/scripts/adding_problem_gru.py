import torch
from torch import nn

torch.manual_seed(49)


class Adder(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.GRU(2, 64, batch_first=True), nn.Linear(64, 1)

    def forward(self, x):
        return self.out(self.rnn(x)[1][0])


net = Adder()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
mean = None
for step in range(350):
    v = torch.rand(64, 30)
    m = torch.zeros(64, 30)
    m[torch.arange(64), torch.randint(0, 15, (64,))] = 1
    m[torch.arange(64), torch.randint(15, 30, (64,))] = 1
    loss = (net(torch.stack([v, m], 2)).squeeze(1) - (v * m).sum(1)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    mean = loss.item() if mean is None else 0.95 * mean + 0.05 * loss.item()
    if step % 70 == 69:
        print(step + 1, mean)
