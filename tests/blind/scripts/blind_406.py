"""PPO (clipped surrogate, shared trunk, entropy bonus) on the Catch game, many games in parallel."""
import torch
import torch.nn as nn
from torch.distributions import Categorical

torch.set_num_threads(1)
torch.manual_seed(13)
ROWS, COLS, ENVS = 7, 6, 64


class Catch:
    def reset(self, n):
        self.row = 0
        self.ball = torch.randint(COLS, (n,))
        self.paddle = torch.randint(COLS, (n,))
        return self.obs()

    def obs(self):
        n = len(self.ball)
        board = torch.zeros(n, ROWS, COLS)
        board[:, self.row][torch.arange(n), self.ball] = 1.0
        pad = nn.functional.one_hot(self.paddle, COLS).float()
        return torch.cat([board.flatten(1), pad], 1)

    def step(self, a):
        self.paddle = (self.paddle + a - 1).clamp(0, COLS - 1)
        self.row += 1
        done = self.row == ROWS - 1
        reward = torch.where(self.paddle == self.ball, 1.0, -1.0) if done else torch.zeros(len(a))
        return self.obs(), reward, done


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(ROWS * COLS + COLS, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.pi, self.v = nn.Linear(64, 3), nn.Linear(64, 1)
        nn.init.orthogonal_(self.pi.weight, gain=0.01)
        nn.init.zeros_(self.pi.bias)

    def forward(self, x):
        h = self.trunk(x)
        return Categorical(logits=self.pi(h)), self.v(h).squeeze(-1)


env, net = Catch(), ActorCritic()
opt = torch.optim.Adam(net.parameters(), lr=2.5e-3, eps=1e-5)
for update in range(50):
    obs, logs = env.reset(ENVS), []
    done = False
    with torch.no_grad():
        while not done:
            dist, v = net(obs)
            a = dist.sample()
            nxt, r, done = env.step(a)
            logs.append((obs, a, dist.log_prob(a), v, r))
            obs = nxt
        adv, ret, g, nv = [], [], torch.zeros(ENVS), torch.zeros(ENVS)
        for o, a, lp, v, r in reversed(logs):
            g = r + 0.98 * nv - v + 0.98 * 0.95 * g
            nv = v
            adv.insert(0, g)
            ret.insert(0, g + v)
    O, A, LP = (torch.cat([l[k] for l in logs]) for k in range(3))
    ADV, RET = torch.cat(adv), torch.cat(ret)
    ADV = (ADV - ADV.mean()) / (ADV.std() + 1e-8)
    for _ in range(3):
        for idx in torch.randperm(len(O)).split(96):
            dist, v = net(O[idx])
            ratio = (dist.log_prob(A[idx]) - LP[idx]).exp()
            surr = torch.min(ratio * ADV[idx], ratio.clamp(0.8, 1.2) * ADV[idx]).mean()
            loss = -surr + 0.5 * (v - RET[idx]).pow(2).mean() - 0.01 * dist.entropy().mean()
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            opt.step()
    if update % 10 == 0:
        print("update", update, "loss", loss.item(), "mean reward", logs[-1][4].mean().item())
obs, done = env.reset(1000), False
with torch.no_grad():
    while not done:
        obs, r, done = env.step(net(obs)[0].probs.argmax(1))
print("catch rate", (r > 0).float().mean().item())
