"""DQN with a target network and replay on a 6x6 grid with walls."""
import copy
import random

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(5)
random.seed(5)
N, GOAL = 6, (5, 5)
WALLS = {(1, 1), (1, 2), (3, 3), (3, 4), (4, 1)}
MOVES = [(0, 1), (0, -1), (1, 0), (-1, 0)]
FREE = [(i, j) for i in range(N) for j in range(N) if (i, j) not in WALLS and (i, j) != GOAL]


def step(s, a):
    i, j = s[0] + MOVES[a][0], s[1] + MOVES[a][1]
    if not (0 <= i < N and 0 <= j < N) or (i, j) in WALLS:
        i, j = s
    done = (i, j) == GOAL
    return (i, j), (1.0 if done else -0.02), done


def encode(states):
    idx = torch.tensor([i * N + j for i, j in states])
    return F.one_hot(idx, N * N).float()


q = nn.Sequential(nn.Linear(N * N, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
target = copy.deepcopy(q).requires_grad_(False)
opt = torch.optim.Adam(q.parameters(), lr=2e-3)
replay, s, t_ep = [], random.choice(FREE), 0
for t in range(5000):
    eps = max(0.15, 1 - t / 2500)
    if random.random() < eps:
        a = random.randrange(4)
    else:
        with torch.no_grad():
            a = int(q(encode([s])).argmax())
    s2, r, done = step(s, a)
    replay.append((s, a, r, s2, float(done)))
    t_ep += 1
    s = s2
    if done or t_ep > 60:
        s, t_ep = random.choice(FREE), 0
    if t < 200 or t % 4:
        continue
    b = random.sample(replay, 64)
    S, A, R, S2, D = zip(*b)
    with torch.no_grad():
        best = target(encode(S2)).max(1).values
        y = torch.tensor(R) + 0.9 * (1 - torch.tensor(D)) * best
    pred = q(encode(S)).gather(1, torch.tensor(A).unsqueeze(1)).squeeze(1)
    loss = F.smooth_l1_loss(pred, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if t % 100 == 0:
        target.load_state_dict(q.state_dict())
    if t % 400 == 0:
        print("step", t, "td loss", loss.item())
ok = 0
with torch.no_grad():
    for s in FREE:
        for _ in range(14):
            s, _, done = step(s, int(q(encode([s])).argmax()))
            if done:
                ok += 1
                break
print("fraction of starts that reach the goal", ok / len(FREE))
