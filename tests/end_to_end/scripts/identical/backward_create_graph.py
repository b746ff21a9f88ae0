import torch
from torch import nn

torch.manual_seed(0)
weight = nn.Parameter(torch.randn(6, 6) / 3)
optimizer = torch.optim.SGD([weight], lr=0.05)
x = torch.randn(12, 6)
for step in range(15):
    optimizer.zero_grad()
    loss = (torch.tanh(x @ weight) - 0.5).pow(2).mean()
    (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
    (loss + 0.1 * gradient.pow(2).sum()).backward(retain_graph=True)
    loss.backward()
    optimizer.step()
    print(step, loss.item(), gradient.norm().item())
