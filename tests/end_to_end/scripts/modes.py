"""How many operations of a step the script's own modes and torch's profiler see."""

from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode


class Operations(TorchDispatchMode):
    """Counts what torch dispatches."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        Operations.count += 1
        return func(*args, **(kwargs or {}))


class Calls(TorchFunctionMode):
    """Counts calls of torch's functions."""

    count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        Calls.count += 1
        return func(*args, **(kwargs or {}))


torch.manual_seed(0)
memory = nn.GRU(4, 4)
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
parameters = [*memory.parameters(), *net.parameters()]
optimizer = torch.optim.SGD(parameters, lr=0.01)
x = torch.randn(3, 5, 4)


def step() -> None:
    optimizer.zero_grad()
    net(memory(x)[0]).square().mean().backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()


for number in range(5):
    Operations.count = Calls.count = 0
    with Operations():
        step()
    with Calls():
        step()
    with torch.autograd.profiler.profile() as profile:
        step()
    print(number, Operations.count, Calls.count, sum(event.count for event in profile.key_averages()))
print(float(sum(p.detach().double().sum() for p in parameters)).hex())
