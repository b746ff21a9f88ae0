import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)
# u'' + 4 u = 0, u(0) = 1, u'(0) = 0, whose solution is cos(2t)
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
t0 = torch.zeros(1, 1, requires_grad=True)


def derivative(u, t):
    return torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]


for step in range(900):
    t = (torch.rand(64, 1) * 2.5).requires_grad_(True)
    u = net(t)
    residual = derivative(derivative(u, t), t) + 4 * u
    start = net(t0)
    loss = (residual ** 2).mean() + 20 * (start - 1).pow(2).sum() + 20 * derivative(start, t0).pow(2).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 150 == 0:
        print("step", step, "loss", loss.item())
with torch.no_grad():
    t = torch.linspace(0, 2.5, 100).unsqueeze(1)
    print("mean error", (net(t) - torch.cos(2 * t)).abs().mean().item())
