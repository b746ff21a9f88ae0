import random
from collections import deque

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(42)
random.seed(42)
SIZE = 5


class QNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(SIZE * SIZE, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, s):
        return self.net(F.one_hot(s, SIZE * SIZE).float())


def move(s, a):
    r, c = divmod(s, SIZE)
    r, c = min(max(r + (a == 0) - (a == 1), 0), SIZE - 1), min(max(c + (a == 2) - (a == 3), 0), SIZE - 1)
    return r * SIZE + c, float(r * SIZE + c == SIZE * SIZE - 1)


q, target = QNet(), QNet()
target.load_state_dict(q.state_dict())
opt = torch.optim.Adam(q.parameters(), lr=2e-3)
buffer, steps, lengths = deque(maxlen=5000), 0, []
for ep in range(150):
    s = 0
    for t in range(60):
        eps = max(0.05, 1 - steps / 2000)
        a = random.randrange(4) if random.random() < eps else int(q(torch.tensor([s])).argmax())
        n, done = move(s, a)
        buffer.append((s, a, done, n))
        s, steps = n, steps + 1
        if len(buffer) > 200 and steps % 2 == 0:
            bs, ba, bd, bn = map(torch.tensor, zip(*random.sample(buffer, 64)))
            with torch.no_grad():
                goal = bd + 0.95 * (1 - bd) * target(bn).max(1).values
            loss = F.smooth_l1_loss(q(bs).gather(1, ba[:, None]).squeeze(1), goal)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(q.parameters(), 10.0)
            opt.step()
        if steps % 200 == 0:
            target.load_state_dict(q.state_dict())
        if done:
            break
    lengths.append(t + 1)
print("first", sum(lengths[:20]) / 20, "last", sum(lengths[-20:]) / 20)
