import math
import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(0)


def mlp(i, o):
    return nn.Sequential(nn.Linear(i, 48), nn.LeakyReLU(0.2), nn.Linear(48, 48), nn.LeakyReLU(0.2), nn.Linear(48, o))


def sample_ring(n):
    k = torch.randint(0, 8, (n,)) * (2 * math.pi / 8)
    return torch.stack([k.cos(), k.sin()], 1) + 0.05 * torch.randn(n, 2)


def gradient_penalty(critic, real, fake):
    eps = torch.rand(len(real), 1)
    mix = (eps * real + (1 - eps) * fake).requires_grad_(True)
    (grad,) = torch.autograd.grad(critic(mix).sum(), mix, create_graph=True)
    return ((grad.norm(2, dim=1) - 1) ** 2).mean()


G, C = mlp(4, 2), mlp(2, 1)
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.0, 0.9))
opt_c = torch.optim.Adam(C.parameters(), lr=1e-3, betas=(0.0, 0.9))
for step in range(300):
    for _ in range(3):
        real = sample_ring(64)
        with torch.no_grad():
            fake = G(torch.randn(64, 4))
        loss_c = C(fake).mean() - C(real).mean() + 1.0 * gradient_penalty(C, real, fake)
        opt_c.zero_grad()
        loss_c.backward()
        opt_c.step()
    loss_g = -C(G(torch.randn(64, 4))).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    if step % 50 == 0:
        print(f"step {step} critic {loss_c.item():.3f} generator {loss_g.item():.3f}")
with torch.no_grad():
    radius = G(torch.randn(2000, 4)).norm(dim=1)
print("mean distance from the ring", (radius - 1).abs().mean().item())
