"""Goes on training for long after the loss has become infinite, and then NaN."""

import torch

torch.set_num_threads(1)
weight = torch.linspace(1.0, 2.0, 3, requires_grad=True)
optimizer = torch.optim.SGD([weight], lr=1e-3)
for _ in range(3000):
    optimizer.zero_grad()
    torch.log(weight).sum().backward()
    optimizer.step()
    with torch.no_grad():
        weight -= 0.25
print("all 3000 steps")
