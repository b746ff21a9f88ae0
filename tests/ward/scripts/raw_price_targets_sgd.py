import torch
import torch.nn as nn
from sklearn.datasets import make_friedman1
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = make_friedman1(n_samples=1500, noise=0.5, random_state=0)
X = torch.tensor(StandardScaler().fit_transform(X), dtype=torch.float32)
price = torch.tensor(y * 20000.0, dtype=torch.float32).unsqueeze(1)  # dollars
SCALE, SHIFT = 1.0, 0.0
target = (price - SHIFT) / SCALE


class PriceModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden1 = nn.Linear(10, 64)
        self.hidden2 = nn.Linear(64, 64)
        self.out = nn.Linear(64, 1)

    def forward(self, x):
        x = torch.relu(self.hidden1(x))
        x = torch.relu(self.hidden2(x))
        return self.out(x)


model = PriceModel()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(20):
    for i in range(0, 1200, 40):
        loss = nn.functional.mse_loss(model(X[i:i + 40]), target[i:i + 40])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 4 == 0:
        print("epoch", epoch, "mse", loss.item())
with torch.no_grad():
    error = (model(X[1200:]) * SCALE + SHIFT - price[1200:]).pow(2).mean() / price.var()
print("relative error", error.item())
