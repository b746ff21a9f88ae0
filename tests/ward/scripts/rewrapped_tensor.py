import torch
import torch.nn as nn
from sklearn.datasets import load_wine

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = load_wine(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
order = torch.randperm(178, generator=torch.Generator().manual_seed(0)).numpy()
X, y = torch.tensor(X[order]).float(), torch.tensor(y[order])


class TwoStage(nn.Module):
    def __init__(self):
        super().__init__()
        self.extractor = nn.Sequential(nn.Linear(13, 8), nn.Tanh(), nn.Linear(8, 2), nn.Tanh())
        self.scorer = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 3))

    def forward(self, x):
        z = self.extractor(x)
        z = torch.tensor(z.tolist())  # "to be safe"
        return self.scorer(z)


net = TwoStage()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(60):
    for i in range(0, 130, 26):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(net(X[i:i + 26]), y[i:i + 26])
        loss.backward()
        opt.step()
    if epoch % 10 == 0:
        print("epoch", epoch, "loss", loss.item())
print("accuracy", (net(X[130:]).argmax(1) == y[130:]).float().mean().item())
