import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(32, 8)
y = x[:, :1].sin()
model[0].weight.register_hook(lambda gradient: gradient * 0.5 + 0.01)
model[3].register_full_backward_hook(
    lambda module, into, out: tuple(g if g is None else g.clamp(-0.01, 0.01) for g in into)
)
model[5].register_full_backward_pre_hook(lambda module, out: (out[0] * 2,))


def scale(weight):
    weight.grad.mul_(0.3)


model[3].weight.register_post_accumulate_grad_hook(scale)
for step in range(20):
    optimizer.zero_grad()
    hidden = model[:3](x)
    hidden.register_hook(lambda gradient: gradient.sign() * gradient.abs().sqrt())
    loss = (model[3:](hidden) - y).pow(2).mean()
    loss.grad_fn.register_prehook(lambda gradients: (gradients[0] * 1.5,))
    loss.backward()
    optimizer.step()
    print(step, loss.item())
