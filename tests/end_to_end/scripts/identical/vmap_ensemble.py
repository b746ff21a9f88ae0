import torch
from torch import nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

torch.manual_seed(0)
nets = [nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)) for _ in range(3)]
weights, buffers = stack_module_state(nets)
x = torch.randn(16, 4)


def loss_of(weights, buffers):
    return (functional_call(nets[0], (weights, buffers), (x,)) - 1).pow(2).mean()


for step in range(15):
    gradients, losses = vmap(grad_and_value(loss_of))(weights, buffers)
    weights = {name: (weight - 0.1 * gradients[name]).detach() for name, weight in weights.items()}
    print(step, losses.tolist())
