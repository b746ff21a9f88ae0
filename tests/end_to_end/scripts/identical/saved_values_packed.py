import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(32, 8)
y = x[:, :1].sin()
packed = [0]


def pack(tensor):
    packed[0] += 1
    return tensor.detach().clone().numpy().copy()


for step in range(10):
    optimizer.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(pack, torch.from_numpy):
        loss = (model(x) - y).pow(2).mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item(), packed)
