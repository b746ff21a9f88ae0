import torch
from torch import nn

torch.manual_seed(28)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 30))

    def forward(self, x):
        return self.net(x).softmax(dim=-1)


tagger, criterion = Tagger(), nn.NLLLoss()
opt = torch.optim.Adam(tagger.parameters(), lr=1e-3)
c = torch.randn(30, 20) * 1.5
for step in range(400):
    y = torch.randint(0, 30, (128,))
    x = c[y] + torch.randn(128, 20)
    loss = criterion(tagger(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 99:
        print(step + 1, loss.item())
