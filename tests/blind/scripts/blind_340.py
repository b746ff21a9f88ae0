import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(0)
HORIZON = 30


def pendulum(s, dt=0.1):
    theta, omega = s[..., 0], s[..., 1]
    omega = omega + dt * (-torch.sin(theta) - 0.1 * omega)
    return torch.stack([theta + dt * omega, omega], -1)


def trajectories(n):
    s = torch.stack([torch.rand(n) * 4 - 2, torch.rand(n) * 2 - 1], 1)
    out = [s]
    for _ in range(HORIZON):
        s = pendulum(s)
        out.append(s)
    return torch.stack(out, 1)


class WorldModel(nn.Module):
    """Predicts the change of the state; trained on whole rollouts of its own predictions."""

    def __init__(self, h=64, gain=1.8):
        super().__init__()
        self.fc1 = nn.Linear(2, h)
        self.fc2 = nn.Linear(h, h)
        self.delta = nn.Linear(h, 2)
        for m in (self.fc1, self.fc2, self.delta):
            nn.init.orthogonal_(m.weight, gain)
            nn.init.zeros_(m.bias)

    def step(self, s):
        h = torch.relu(self.fc1(s))
        h = torch.relu(self.fc2(h))
        return s + self.delta(h)

    def rollout(self, s, n):
        out = [s]
        for _ in range(n):
            out.append(self.step(out[-1]))
        return torch.stack(out, 1)


train, test = trajectories(600), trajectories(200)
model = WorldModel()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(20):
    for i in torch.randperm(600).split(60):
        pred = model.rollout(train[i, 0], HORIZON)
        loss = (pred - train[i]).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 4 == 0:
        print("epoch", epoch, "rollout mse", loss.item())
with torch.no_grad():
    print("test rollout mse", (model.rollout(test[:, 0], HORIZON) - test).pow(2).mean().item())
