import copy
import random
from collections import deque

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)
random.seed(0)
SIZE = 5
MOVES = [(0, 1), (0, -1), (1, 0), (-1, 0)]
HOLES = {(1, 1), (3, 2), (2, 4)}


def observe(p):
    o = torch.zeros(SIZE * SIZE)
    o[p[0] * SIZE + p[1]] = 1.0
    return o


def env_step(p, a):
    q = (min(max(p[0] + MOVES[a][0], 0), SIZE - 1), min(max(p[1] + MOVES[a][1], 0), SIZE - 1))
    if q in HOLES:
        return q, -1.0, True
    if q == (SIZE - 1, SIZE - 1):
        return q, 1.0, True
    return q, -0.01, False


class QNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(SIZE * SIZE, 64)
        self.fc2 = nn.Linear(64, 64)
        self.value = nn.Linear(64, 1)
        self.adv = nn.Linear(64, 4)

    def forward(self, x):
        h = F.relu(self.fc2(F.relu(self.fc1(x))))
        a = self.adv(h)
        return self.value(h) + a - a.mean(1, keepdim=True)


online = QNet()
target = copy.deepcopy(online)
opt = torch.optim.Adam(online.parameters(), lr=1e-3)
memory = deque(maxlen=3000)
p, t, eps = (0, 0), 0, 1.0
for step in range(2500):
    if random.random() < eps:
        a = random.randrange(4)
    else:
        with torch.no_grad():
            a = online(observe(p)[None]).argmax().item()
    q, r, done = env_step(p, a)
    memory.append((observe(p), a, r, observe(q), done))
    p, t = q, t + 1
    if done or t > 40:
        p, t = (0, 0), 0
    eps = max(0.1, 1 - step / 1200)
    if step < 200 or step % 2:
        continue
    s, act, rew, s2, end = zip(*random.sample(memory, 64))
    s, s2 = torch.stack(s), torch.stack(s2)
    act, rew, end = torch.tensor(act), torch.tensor(rew), torch.tensor(end).float()
    with torch.no_grad():
        best = online(s2).argmax(1, keepdim=True)
        y = rew + 0.97 * (1 - end) * target(s2).gather(1, best)[:, 0]
    loss = F.smooth_l1_loss(online(s).gather(1, act[:, None])[:, 0], y)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(online.parameters(), 1.0)
    opt.step()
    if step % 100 == 0:
        target.load_state_dict(online.state_dict())
    if step % 500 == 0:
        print("step", step, "td loss", loss.item())

wins = 0
for _ in range(50):
    p = (random.randrange(2), random.randrange(3))
    if p in HOLES:
        p = (0, 0)
    for _ in range(20):
        with torch.no_grad():
            p, r, done = env_step(p, online(observe(p)[None]).argmax().item())
        if done:
            wins += r > 0
            break
print("success rate", wins / 50)
