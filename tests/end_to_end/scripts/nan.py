"""Goes on training for long after the loss has become NaN."""

import torch

torch.set_num_threads(1)
torch.manual_seed(0)
weight = torch.ones(3, requires_grad=True)
optimizer = torch.optim.SGD([weight], lr=1.0)
for _ in range(3000):
    optimizer.zero_grad()
    torch.log(weight).square().sum().backward()
    optimizer.step()
    with torch.no_grad():
        weight -= 0.2
print("all 3000 steps")
