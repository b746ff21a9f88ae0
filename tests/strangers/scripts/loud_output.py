import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(23)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(40, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
        self.out = nn.Linear(128, 12)
        nn.init.normal_(self.out.weight, std=4.0)

    def forward(self, x):
        return self.out(self.body(x))


net = Classifier()
opt = torch.optim.SGD(net.parameters(), lr=0.02)
means = torch.randn(12, 40)
for step in range(400):
    y = torch.randint(0, 12, (64,))
    x = means[y] + 2.5 * torch.randn(64, 40)
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        print(step, loss.item())
