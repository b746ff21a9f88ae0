import torch
import torch.nn as nn
from sklearn.datasets import make_classification

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = make_classification(1500, 20, n_informative=8, flip_y=0.25, class_sep=1.2, random_state=0)
X, y = torch.tensor(X).float(), torch.tensor(y)
net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(3):
    for i in torch.randperm(1200).split(2):  # a quarter of the labels are wrong: a very noisy loss
        loss = nn.functional.cross_entropy(net(X[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
print("accuracy", (net(X[1200:]).argmax(1) == y[1200:]).float().mean().item())
