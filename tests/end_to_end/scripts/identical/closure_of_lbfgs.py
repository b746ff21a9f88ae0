import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
x = torch.randn(32, 8)
y = x[:, :1].sin()


def closure():
    optimizer.zero_grad()
    loss = (model(x) - y).pow(2).mean()
    loss.backward()
    print(loss.item())
    return loss


for _ in range(4):
    optimizer.step(closure)
