"""Neural differential equation, Euler steps: a quadratic vector field is fitted to spirals."""
import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(4)
A = torch.tensor([[-0.1, 1.2], [-1.2, -0.1]])
STEPS, DT = 24, 0.25


def truth(x0):
    xs, x = [], x0
    for _ in range(STEPS):
        x = x + DT * (x @ A.T)
        xs.append(x)
    return torch.stack(xs, 1)


class Field(nn.Module):
    def __init__(self, h=24):
        super().__init__()
        self.lift = nn.Linear(2, h)
        self.back = nn.Linear(h, 2)
        nn.init.normal_(self.back.weight, std=0.3)

    def forward(self, x):
        h = self.lift(x)
        return self.back(torch.tanh(h))


class Solver(nn.Module):
    def __init__(self):
        super().__init__()
        self.field = Field()

    def forward(self, x):
        out = []
        for _ in range(STEPS):
            x = x + DT * self.field(x)
            out.append(x)
        return torch.stack(out, 1)


x0 = torch.randn(600, 2).clamp(-1.5, 1.5)
target = truth(x0)
model = Solver()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(30):
    for idx in torch.randperm(500).split(50):
        loss = (model(x0[idx]) - target[idx]).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("epoch", epoch, loss.item())
with torch.no_grad():
    print("test mse", (model(x0[500:]) - target[500:]).pow(2).mean().item())
