import math
import torch
import torch.nn.functional as F

torch.manual_seed(0)
torch.set_num_threads(1)


def init(i, o):
    return [(torch.randn(o, i) * (2 / i) ** 0.5).requires_grad_(), torch.zeros(o, requires_grad=True)]


meta = init(1, 40) + init(40, 40) + init(40, 1)
opt = torch.optim.Adam(meta, lr=2e-3)


def net(x, w):
    x = F.relu(F.linear(x, w[0], w[1]))
    x = F.relu(F.linear(x, w[2], w[3]))
    return F.linear(x, w[4], w[5])


def task(n=10):
    amp, phase = 0.5 + 2 * torch.rand(()), math.pi * torch.rand(())
    x = torch.rand(2 * n, 1) * 10 - 5
    y = amp * torch.sin(x + phase)
    return x[:n] / 5, y[:n], x[n:] / 5, y[n:]


def adapt(xs, ys, steps=1, lr=0.05, create_graph=True):
    w = meta
    for _ in range(steps):
        grads = torch.autograd.grad(F.mse_loss(net(xs, w), ys), w, create_graph=create_graph)
        w = [p - lr * g for p, g in zip(w, grads)]
    return w


for it in range(550):
    loss = 0.0
    for _ in range(4):
        xs, ys, xq, yq = task()
        loss = loss + F.mse_loss(net(xq, adapt(xs, ys)), yq) / 4
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 50 == 0:
        print("meta step", it, "query loss", loss.item())
before = after = 0.0
for _ in range(200):
    xs, ys, xq, yq = task()
    before += F.mse_loss(net(xq, meta), yq).item()
    after += F.mse_loss(net(xq, adapt(xs, ys, 5, create_graph=False)), yq).item()
print("query loss after adaptation, relative to before", after / before)
