import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
d = load_digits()
X, y = torch.tensor(d.data / 16.0).float(), torch.tensor(d.target)
teacher = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
student = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))


def epoch(model, opt, loss_of):
    model.train()
    for k in torch.randperm(1400).split(50):
        opt.zero_grad()
        loss = loss_of(X[k], y[k])
        loss.backward()
        opt.step()
    return loss.item()


opt_t = torch.optim.Adam(teacher.parameters(), lr=2e-3)
for e in range(6):
    print("teacher", e, epoch(teacher, opt_t, lambda x, t: F.cross_entropy(teacher(x), t)))
teacher.eval()
TAU = 4.0


def distillation(x, t):
    with torch.no_grad():
        soft = F.softmax(teacher(x) / TAU, dim=1)
    out = student(x)
    kd = F.kl_div(F.log_softmax(out / TAU, dim=1), soft, reduction="batchmean") * TAU ** 2
    return 0.9 * kd + 0.1 * F.cross_entropy(out, t)


opt_s = torch.optim.Adam(student.parameters(), lr=3e-3)
for e in range(12):
    print("student", e, epoch(student, opt_s, distillation))
with torch.no_grad():
    print("student accuracy", (student(X[1400:]).argmax(1) == y[1400:]).float().mean().item())
