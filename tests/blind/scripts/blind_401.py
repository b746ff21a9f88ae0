"""Regression on targets that are 80 % noise, with stochastic weight averaging at the end."""
import torch
from torch import nn
from torch.optim.swa_utils import SWALR, AveragedModel
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(3)


def signal(x):
    return 0.5 * torch.sin(2 * x[:, 0]) + 0.3 * x[:, 1] * torch.sigmoid(x[:, 2])


x = torch.randn(9000, 6)
clean = signal(x)
y = clean + 1.0 * torch.randn(len(x))
train = DataLoader(TensorDataset(x[:7000], y[:7000]), batch_size=70, shuffle=True)
x_test, clean_test = x[7000:], clean[7000:]


class Regressor(nn.Module):
    def __init__(self, d_in=6, width=48):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(d_in, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Dropout(0.1)
        )
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        return self.out(self.body(x)).squeeze(-1)


model = Regressor()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
swa_model = AveragedModel(model)
swa_scheduler = SWALR(optimizer, swa_lr=1e-3, anneal_epochs=2)
criterion = nn.MSELoss()
EPOCHS, SWA_START = 14, 8
for epoch in range(EPOCHS):
    model.train()
    total = 0.0
    for xb, yb in train:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    if epoch >= SWA_START:
        swa_model.update_parameters(model)
        swa_scheduler.step()
    print(f"epoch {epoch} train mse {total / 7000:.4f}")

swa_model.eval()
with torch.no_grad():
    err = criterion(swa_model(x_test), clean_test).item()
print("variance of the clean function", clean_test.var().item())
print("mse against the clean function", err)
