import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

torch.manual_seed(0)

model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(32, 8)
y = x[:, :1].sin()
parametrizations.spectral_norm(model[0])
parametrizations.weight_norm(model[3])
prune.l1_unstructured(model[5], "weight", 0.3)
optimizer = torch.optim.NAdam(model.parameters(), lr=1e-2)
for step in range(15):
    optimizer.zero_grad()
    loss = (model(x) - y).pow(2).mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
