"""REINFORCE with a running baseline: walk to the right end of a corridor."""
import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(41)
LENGTH = 9


def episode(policy):
    place, logs, rewards = LENGTH // 2, [], []
    for _ in range(20):
        state = torch.zeros(LENGTH)
        state[place] = 1.0
        dist = Categorical(logits=policy(state))
        move = dist.sample()
        logs.append(dist.log_prob(move))
        place = max(0, place + (1 if move.item() else -1))
        if place == LENGTH - 1:
            return logs, [*rewards, 1.0]
        rewards.append(-0.02)
    return logs, rewards


policy = nn.Sequential(nn.Linear(LENGTH, 32), nn.Tanh(), nn.Linear(32, 2))
opt = torch.optim.Adam(policy.parameters(), lr=1e-2)
baseline, returns = 0.0, []
for it in range(300):
    logs, rewards = episode(policy)
    total = sum(rewards)
    baseline = 0.95 * baseline + 0.05 * total
    loss = -torch.stack(logs).sum() * (total - baseline)
    opt.zero_grad()
    loss.backward()
    opt.step()
    returns.append(total)
    if it % 100 == 99:
        print(it + 1, sum(returns[-50:]) / 50)
