import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)
x = torch.linspace(-3, 3, 300).unsqueeze(1)
y = torch.sin(2 * x) * torch.exp(-0.1 * x ** 2) + 0.05 * torch.randn_like(x)
net = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))
optimizer = torch.optim.LBFGS(net.parameters(), lr=1.0, max_iter=20, history_size=20, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(net(x), y)
    loss.backward()
    return loss


for it in range(25):
    loss = optimizer.step(closure)
    if it % 5 == 0:
        print("iteration", it, "loss", loss.item())
print("final mse", nn.functional.mse_loss(net(x), y).item())
