import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(0)


class RowReader(nn.Module):
    """Reads the eight rows of a digit one after the other."""

    def __init__(self, hidden=48):
        super().__init__()
        self.gru = nn.GRU(8, hidden, num_layers=2, batch_first=True)
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, 10)

    def forward(self, rows):
        h, _ = self.gru(rows)
        return self.head(self.norm(h[:, -1]))


d = load_digits()
rows = torch.tensor(d.images / 16.0, dtype=torch.float32)
y = torch.tensor(d.target)
model = RowReader()
opt = torch.optim.Adam(model.parameters(), lr=0.2)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=10)
for epoch in range(10):
    model.train()
    for i in torch.randperm(1400).split(50):
        loss = F.cross_entropy(model(rows[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    sched.step()
    print("epoch", epoch, "loss", loss.item(), "lr", sched.get_last_lr()[0])
model.eval()
with torch.no_grad():
    print("test accuracy", (model(rows[1400:]).argmax(1) == y[1400:]).float().mean().item())
