import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X / 16.0).float(), torch.tensor(y)
model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.1)
for epoch in range(15):
    for i in range(0, 1400, 35):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X[i:i + 35]), y[i:i + 35])
        loss.backward()
        optimizer.step()
        scheduler.step()
    print("epoch", epoch, "lr", scheduler.get_last_lr()[0], "loss", loss.item())
print("accuracy", (model(X[1400:]).argmax(1) == y[1400:]).float().mean().item())
