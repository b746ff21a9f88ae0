import copy
import random
from collections import deque

import torch
import torch.nn as nn

random.seed(0)
torch.manual_seed(0)
torch.set_num_threads(1)


class Corridor:
    """Walk right to the treasure; the left end pays a little at once."""

    def __init__(self, n=8):
        self.n = n

    def reset(self):
        self.s, self.t = self.n // 2, 0
        return self.obs()

    def obs(self):
        v = torch.zeros(self.n)
        v[self.s] = 1.0
        return v

    def step(self, a):
        self.t += 1
        self.s += 1 if a == 1 else -1
        done = self.s in (0, self.n - 1) or self.t >= 20
        reward = {0: 0.2, self.n - 1: 1.0}.get(self.s, -0.01)
        self.s = max(0, min(self.n - 1, self.s))
        return self.obs(), reward, done


q = nn.Sequential(nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 2))
target = copy.deepcopy(q)
opt = torch.optim.Adam(q.parameters(), lr=1e-3)
memory, env, steps = deque(maxlen=2000), Corridor(), 0
for episode in range(160):
    s, done, eps = env.reset(), False, max(0.05, 1 - episode / 80)
    while not done:
        with torch.no_grad():
            a = random.randrange(2) if random.random() < eps else int(q(s).argmax())
        s2, r, done = env.step(a)
        memory.append((s, a, r, s2, float(done)))
        s, steps = s2, steps + 1
        if len(memory) < 64:
            continue
        bs, ba, br, bs2, bd = zip(*random.sample(memory, 32))
        with torch.no_grad():
            goal = torch.tensor(br) + 0.95 * (1 - torch.tensor(bd)) * target(torch.stack(bs2)).max(1).values
        value = q(torch.stack(bs)).gather(1, torch.tensor(ba).unsqueeze(1)).squeeze(1)
        loss = nn.functional.smooth_l1_loss(value, goal)
        opt.zero_grad()
        loss.backward()
        opt.step()
        if steps % 100 == 0:
            target.load_state_dict(q.state_dict())
    if episode % 40 == 0:
        print("episode", episode, "eps", eps, "reward", r)
with torch.no_grad():
    go_right = (q(torch.eye(8)[1:7]).argmax(1) == 1).float().mean().item()
print("share of right moves", go_right)
