import torch

torch.manual_seed(0)
torch.set_num_threads(1)
# two spirals, network written with plain tensors
n = 400
theta = torch.sqrt(torch.rand(n)) * 2 * 3.14159
r = 2 * theta + 3.14159
a = torch.stack([torch.cos(theta) * r, torch.sin(theta) * r], 1)
points = torch.cat([a, -a]) / 8 + 0.02 * torch.randn(2 * n, 2)
target = torch.cat([torch.zeros(n), torch.ones(n)])
shuffle = torch.randperm(2 * n)
points, target = points[shuffle], target[shuffle]

sizes = [2, 64, 64, 1]
weights = [torch.randn(i, o) * (2 / i) ** 0.5 for i, o in zip(sizes, sizes[1:])]
biases = [torch.zeros(o) for o in sizes[1:]]
params = weights + biases
for p in params:
    p.requires_grad_()
velocity = [torch.zeros_like(p) for p in params]


def predict(x):
    for k, (w, b) in enumerate(zip(weights, biases)):
        x = x @ w + b
        if k < len(weights) - 1:
            x = torch.maximum(x, torch.zeros(()))
    return x.squeeze(1)


for step in range(1500):
    k = torch.randint(0, 600, (64,))
    p = torch.sigmoid(predict(points[k]))
    loss = -(target[k] * torch.log(p + 1e-7) + (1 - target[k]) * torch.log(1 - p + 1e-7)).mean()
    loss.backward()
    with torch.no_grad():
        for w, v in zip(params, velocity):
            v.mul_(0.9).add_(w.grad)
            w -= 0.03 * v
            w.grad.zero_()
    if step % 250 == 0:
        print(step, "loss", loss.item())
with torch.no_grad():
    print("accuracy", ((predict(points[600:]) > 0).float() == target[600:]).float().mean().item())
