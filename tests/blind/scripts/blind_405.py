"""Soft actor-critic with twin critics and learned temperature; double integrator driven to the origin."""
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(8)


def dynamics(s, a):
    pos, vel = s[:, :1], s[:, 1:]
    vel = (vel + 0.2 * a).clamp(-2, 2)
    pos = (pos + 0.2 * vel).clamp(-3, 3)
    return torch.cat([pos, vel], 1), -(pos**2 + 0.1 * vel**2).squeeze(1)


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU())
        self.mu, self.log_std = nn.Linear(48, 1), nn.Linear(48, 1)

    def forward(self, s):
        h = self.net(s)
        mu, std = self.mu(h), self.log_std(h).clamp(-5, 1).exp()
        u = mu + std * torch.randn_like(mu)
        a = torch.tanh(u)
        logp = torch.distributions.Normal(mu, std).log_prob(u) - torch.log(1 - a**2 + 1e-6)
        return a, logp.squeeze(1), torch.tanh(mu)


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        make = lambda: nn.Sequential(nn.Linear(3, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1))
        self.q1, self.q2 = make(), make()

    def forward(self, s, a):
        z = torch.cat([s, a], 1)
        return self.q1(z).squeeze(1), self.q2(z).squeeze(1)


@torch.no_grad()
def evaluate(policy):
    s = torch.tensor([[p, v] for p in (-2.0, -1.0, 1.0, 2.0) for v in (-0.5, 0.5)])
    cost = 0.0
    for _ in range(40):
        s, r = dynamics(s, policy(s))
        cost -= r.mean().item() / 40
    return cost


actor, critic = Actor(), Critic()
critic_t = copy.deepcopy(critic).requires_grad_(False)
log_alpha = torch.tensor(-1.0, requires_grad=True)
opt_a = torch.optim.Adam(actor.parameters(), lr=2e-3)
opt_c = torch.optim.Adam(critic.parameters(), lr=2e-3)
opt_t = torch.optim.Adam([log_alpha], lr=2e-3)
print("cost of doing nothing", evaluate(lambda s: torch.zeros(len(s), 1)))
buf, s = [], torch.rand(16, 2) * 4 - 2
for it in range(500):
    with torch.no_grad():
        a = actor(s)[0] if it > 30 else torch.rand(16, 1) * 2 - 1
        s2, r = dynamics(s, a)
        buf.append(torch.cat([s, a, r.unsqueeze(1), s2], 1))
        s = s2
        if it % 40 == 39:
            s = torch.rand(16, 2) * 4 - 2
    if it < 30:
        continue
    pool = torch.cat(buf)
    b = pool[torch.randint(len(pool), (128,))]
    S, A, R, S2 = b[:, :2], b[:, 2:3], b[:, 3], b[:, 4:]
    with torch.no_grad():
        a2, lp2, _ = actor(S2)
        y = R + 0.95 * (torch.min(*critic_t(S2, a2)) - log_alpha.exp() * lp2)
    q1, q2 = critic(S, A)
    loss_c = F.mse_loss(q1, y) + F.mse_loss(q2, y)
    opt_c.zero_grad(); loss_c.backward(); opt_c.step()
    an, lp, _ = actor(S)
    loss_a = (log_alpha.exp().detach() * lp - torch.min(*critic(S, an))).mean()
    opt_a.zero_grad(); loss_a.backward(); opt_a.step()
    loss_t = -(log_alpha * (lp.detach() - 1.0)).mean()
    opt_t.zero_grad(); loss_t.backward(); opt_t.step()
    with torch.no_grad():
        for p, pt in zip(critic.parameters(), critic_t.parameters()):
            pt.lerp_(p, 0.02)
    if it % 100 == 0:
        print(it, loss_c.item(), loss_a.item())
print("mean cost", evaluate(lambda s: actor(s)[2]))
