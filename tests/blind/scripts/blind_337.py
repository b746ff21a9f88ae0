import torch
import torch.nn as nn
from torch.distributions import Categorical

torch.set_num_threads(1)
torch.manual_seed(0)
ENVS, ROLLOUT, GAMMA, LAMBDA = 32, 16, 0.95, 0.9


class Cart:
    """A cart on a line, pushed left, right or not; it is to stay near a target that jumps now and then."""

    def __init__(self, n):
        self.n = n
        self.x, self.v = torch.zeros(n), torch.zeros(n)
        self.goal = torch.rand(n) * 2 - 1

    def observe(self):
        return torch.stack([self.x, self.v, self.goal], 1)

    def step(self, a):
        self.v = 0.9 * self.v + 0.1 * (a.float() - 1)
        self.x = (self.x + self.v).clamp(-1.5, 1.5)
        near = (self.x - self.goal).abs() < 0.15
        jump = torch.rand(self.n) < 0.03
        self.goal = torch.where(jump, torch.rand(self.n) * 2 - 1, self.goal)
        return near.float() - 0.1 * (self.x - self.goal).abs(), near


class ActorCritic(nn.Module):
    def __init__(self, h=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, h), nn.Tanh(), nn.Linear(h, h), nn.Tanh())
        self.pi = nn.Linear(h, 3)
        self.v = nn.Linear(h, 1)
        for m in self.body:
            if isinstance(m, nn.Linear):
                nn.init.orthogonal_(m.weight, 2 ** 0.5)
        nn.init.orthogonal_(self.pi.weight, 0.01)
        nn.init.orthogonal_(self.v.weight, 1.0)

    def forward(self, s):
        h = self.body(s)
        return Categorical(logits=self.pi(h)), self.v(h)[:, 0]


net = ActorCritic()
opt = torch.optim.Adam(net.parameters(), lr=2e-3, eps=1e-5)
env = Cart(ENVS)
for update in range(200):
    S, A, R, V = [], [], [], []
    with torch.no_grad():
        for _ in range(ROLLOUT):
            s = env.observe()
            dist, v = net(s)
            a = dist.sample()
            r, _ = env.step(a)
            S.append(s), A.append(a), R.append(r), V.append(v)
        V.append(net(env.observe())[1])
        adv, last = [], torch.zeros(ENVS)
        for t in reversed(range(ROLLOUT)):
            delta = R[t] + GAMMA * V[t + 1] - V[t]
            last = delta + GAMMA * LAMBDA * last
            adv.insert(0, last)
    s, a, adv, v_old = torch.cat(S), torch.cat(A), torch.cat(adv), torch.cat(V[:-1])
    ret = adv + v_old
    adv = (adv - adv.mean()) / (adv.std() + 1e-8)
    dist, v = net(s)
    loss = -(dist.log_prob(a) * adv).mean() + 0.5 * (v - ret).pow(2).mean() - 0.005 * dist.entropy().mean()
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 0.5)
    opt.step()
    if update % 40 == 0:
        print("update", update, "reward", torch.stack(R).mean().item(), "loss", loss.item())

env, hits = Cart(200), []
with torch.no_grad():
    for t in range(60):
        _, near = env.step(net(env.observe())[0].probs.argmax(1))
        if t > 20:
            hits.append(near.float().mean())
print("share of time near the goal", torch.stack(hits).mean().item())
