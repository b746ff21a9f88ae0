import torch
import torch.nn as nn
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split

torch.manual_seed(0)
torch.set_num_threads(1)
config = {"lr": 1.0, "epochs": 25, "batch": 32, "hidden": 64}
X, y = make_moons(1200, noise=0.15, random_state=0)
xtr, xte, ytr, yte = (torch.tensor(a, dtype=torch.float32) for a in train_test_split(X, y, random_state=0))


class Model(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.fc1 = nn.Linear(2, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, hidden)
        self.fc4 = nn.Linear(hidden, 1)

    def forward(self, x):
        for layer in (self.fc1, self.fc2, self.fc3):
            x = nn.functional.gelu(layer(x))
        return self.fc4(x).squeeze(-1)


model = Model(config["hidden"])
optimizer = torch.optim.Adam(model.parameters(), lr=config["lr"])
criterion = nn.BCEWithLogitsLoss()
for epoch in range(config["epochs"]):
    for idx in torch.randperm(len(xtr)).split(config["batch"]):
        optimizer.zero_grad()
        loss = criterion(model(xtr[idx]), ytr[idx])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("test loss", criterion(model(xte), yte).item())
