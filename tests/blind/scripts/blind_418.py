"""Top-2 mixture of ten experts distilled (temperature 4) from a wider teacher; some experts get little or no traffic."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.set_num_threads(1)
torch.manual_seed(41)
d = load_digits()
Xa, Xb, ya, yb = train_test_split(d.data / 16, d.target, test_size=500, random_state=0)
Xa, Xb = torch.tensor(Xa).float(), torch.tensor(Xb).float()
ya, yb = torch.tensor(ya), torch.tensor(yb)
TEMP = 4.0


class Expert(nn.Module):
    def __init__(self, d_in, d_out, h=24):
        super().__init__()
        self.up, self.down = nn.Linear(d_in, h), nn.Linear(h, d_out)

    def forward(self, x):
        return self.down(torch.relu(self.up(x)))


class MoE(nn.Module):
    def __init__(self, n=10, k=2):
        super().__init__()
        self.k = k
        self.gate = nn.Linear(64, n, bias=False)
        nn.init.normal_(self.gate.weight, std=0.5)
        self.experts = nn.ModuleList(Expert(64, 10) for _ in range(n))

    def forward(self, x):
        score, which = self.gate(x).topk(self.k, dim=1)
        w = score.softmax(1)
        out = x.new_zeros(len(x), 10)
        for e, expert in enumerate(self.experts):
            row, slot = (which == e).nonzero(as_tuple=True)
            if len(row):
                out = out.index_add(0, row, w[row, slot].unsqueeze(1) * expert(x[row]))
        return out, which


teacher = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
opt = torch.optim.Adam(teacher.parameters(), lr=2e-3)
for epoch in range(8):
    for idx in torch.randperm(len(Xa)).split(64):
        loss = F.cross_entropy(teacher(Xa[idx]), ya[idx])
        opt.zero_grad(); loss.backward(); opt.step()
teacher.eval().requires_grad_(False)
print("teacher", (teacher(Xb).argmax(1) == yb).float().mean().item())

student = MoE()
opt = torch.optim.Adam(student.parameters(), lr=2e-3)
for epoch in range(18):
    for idx in torch.randperm(len(Xa)).split(64):
        logits, which = student(Xa[idx])
        soft = F.kl_div(
            F.log_softmax(logits / TEMP, 1), F.softmax(teacher(Xa[idx]) / TEMP, 1), reduction="batchmean"
        )
        loss = 0.9 * TEMP**2 * soft + 0.1 * F.cross_entropy(logits, ya[idx])
        opt.zero_grad(); loss.backward(); opt.step()
    if epoch % 4 == 0:
        print(epoch, loss.item(), which.flatten().bincount(minlength=10).tolist())
with torch.no_grad():
    print("student accuracy", (student(Xb)[0].argmax(1) == yb).float().mean().item())
