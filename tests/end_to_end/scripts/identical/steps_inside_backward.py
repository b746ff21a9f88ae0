import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(32, 8)
y = x[:, :1].sin()
own = {weight: torch.optim.Adam([weight], lr=1e-2) for weight in model.parameters()}


def move(weight):
    own[weight].step()
    own[weight].zero_grad()


for weight in model.parameters():
    weight.register_post_accumulate_grad_hook(move)
for step in range(20):
    loss = (model(x) - y).pow(2).mean()
    loss.backward()
    print(step, loss.item())
states = [optimizer.state_dict()["state"] for optimizer in own.values()]
