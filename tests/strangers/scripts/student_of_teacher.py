import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(59)
means = torch.randn(10, 16) * 1.5


def net(h):
    return nn.Sequential(nn.Linear(16, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 10))


def data(n=128):
    y = torch.randint(0, 10, (n,))
    return means[y] + torch.randn(n, 16), y


def fit(model, loss_of, steps):
    opt = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(steps):
        x, y = data()
        loss = loss_of(model, x, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    return loss.item()


teacher, student, T = net(128), net(24), 3.0
print("teacher", fit(teacher, lambda m, x, y: F.cross_entropy(m(x), y), 250))
teacher.eval().requires_grad_(False)


def distill(m, x, y):
    out = m(x)
    soft = F.kl_div((out / T).log_softmax(1), (teacher(x) / T).softmax(1), reduction="batchmean") * T * T
    return 0.7 * soft + 0.3 * F.cross_entropy(out, y)


print("student", fit(student, distill, 400))
