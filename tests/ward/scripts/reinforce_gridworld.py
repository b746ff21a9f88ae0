import torch
import torch.nn as nn
from torch.distributions import Categorical

torch.set_num_threads(1)
torch.manual_seed(0)
SIZE, HORIZON, GAMMA = 5, 12, 0.95
MOVES = torch.tensor([[0, 1], [0, -1], [1, 0], [-1, 0]])

policy = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 4))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)


def rollout(envs=32):
    agent, goal = torch.randint(0, SIZE, (envs, 2)), torch.randint(0, SIZE, (envs, 2))
    alive = torch.ones(envs, dtype=torch.bool)
    logps, rewards, entropies = [], [], []
    for _ in range(HORIZON):
        dist = Categorical(logits=policy(torch.cat([agent, goal], 1) / (SIZE - 1) - 0.5))
        action = dist.sample()
        agent = (agent + MOVES[action]).clamp(0, SIZE - 1)
        reached = (agent == goal).all(1)
        rewards.append((reached & alive).float() - 0.02 * alive.float())
        logps.append(dist.log_prob(action) * alive)
        entropies.append(dist.entropy() * alive)
        alive = alive & ~reached
    return logps, rewards, entropies, ~alive


wins = []
for episode in range(220):
    logps, rewards, entropies, won = rollout()
    R, returns = torch.zeros(32), []
    for r in reversed(rewards):
        R = r + GAMMA * R
        returns.insert(0, R)
    returns = torch.stack(returns)
    adv = (returns - returns.mean()) / (returns.std() + 1e-8)
    loss = -(torch.stack(logps) * adv).sum(0).mean() - 0.01 * torch.stack(entropies).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    wins.append(won.float().mean().item())
    if episode % 40 == 0:
        print(f"episode {episode} return {sum(rewards).mean():.3f} wins {wins[-1]:.2f}")
print("success rate", sum(wins[-30:]) / 30)
