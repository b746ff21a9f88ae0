"""LSTM on a series that is almost a random walk: only about a tenth of the next step can be forecast."""
import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(33)
N, W = 9000, 16
eps = torch.randn(N)
step = torch.zeros(N)
for i in range(2, N):
    step[i] = 0.3 * step[i - 1] - 0.15 * step[i - 2] + eps[i]
level = step.cumsum(0)
best = torch.zeros(N)
best[2:] = 0.3 * step[1:-1] - 0.15 * step[:-2]  # the best possible forecast of step[i]

win = level.unfold(0, W, 1)[:-1]
x = (win - win[:, -1:]).unsqueeze(2) / 3.0
y = step[W:]
ideal = best[W:]
cut = 7000


class Forecaster(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        out, (h, _) = self.lstm(x)
        return self.head(h[-1]).squeeze(1)


model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
loss_fn = nn.MSELoss()
for epoch in range(8):
    model.train()
    tot = 0.0
    for idx in torch.randperm(cut).split(100):
        optimizer.zero_grad()
        loss = loss_fn(model(x[idx]), y[idx])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        tot += loss.item() * len(idx) / cut
    scheduler.step()
    print("epoch", epoch, "mse", round(tot, 4))
model.eval()
with torch.no_grad():
    p = model(x[cut:])
print("mse / variance", (loss_fn(p, y[cut:]) / y[cut:].var()).item())
print("distance to the ideal forecast, 1 = naive", ((p - ideal[cut:]).pow(2).mean() / ideal[cut:].pow(2).mean()).item())
