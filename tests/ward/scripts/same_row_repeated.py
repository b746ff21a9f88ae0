import torch
import torch.nn as nn
from sklearn.datasets import make_circles

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = make_circles(1200, noise=0.08, factor=0.5, random_state=0)
X, y = torch.tensor(X).float(), torch.tensor(y).float()


class Net(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.hidden = nn.Linear(2, hidden)
        self.middle = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1)
        self.same_start()

    def same_start(self):
        # every unit starts from the same numbers, "so that none has an advantage"
        for layer in (self.hidden, self.middle, self.out):
            row = torch.randn(1, layer.in_features) / layer.in_features ** 0.5
            layer.weight.data.copy_(row.expand_as(layer.weight))
            layer.bias.data.fill_(0.01)
        self.middle.weight.data.fill_(1 / self.middle.in_features)
        self.out.weight.data.fill_(0.1)

    def forward(self, x):
        return self.out(torch.tanh(self.middle(torch.tanh(self.hidden(x))))).squeeze(1)


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for epoch in range(25):
    for k in torch.randperm(900).split(45):
        opt.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(net(X[k]), y[k])
        loss.backward()
        opt.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", ((net(X[900:]) > 0) == (y[900:] > 0.5)).float().mean().item())
