import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)
# learn the dynamics of a damped pendulum by unrolling the learned step; the step is drawn far too strong
STEPS = 30
GAIN = 1.6
A_true = torch.tensor([[1.0, 0.1], [-0.2, 0.96]])


def simulate(s0):
    states = [s0]
    for _ in range(STEPS):
        states.append(states[-1] @ A_true.T)
    return torch.stack(states, 1)


class Dynamics(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.lift = nn.Linear(2, hidden, bias=False)
        self.drop = nn.Linear(hidden, 2, bias=False)
        nn.init.orthogonal_(self.lift.weight, gain=GAIN)
        with torch.no_grad():
            self.drop.weight.copy_(GAIN / 1.02 * self.lift.weight.T / self.lift.weight.norm(dim=0).mean())

    def forward(self, s0):
        states = [s0]
        for _ in range(STEPS):
            states.append(self.drop(self.lift(states[-1])))
        return torch.stack(states, 1)


train = simulate(torch.randn(256, 2))
test = simulate(torch.randn(128, 2))
model = Dynamics()
opt = torch.optim.SGD(model.parameters(), lr=2e-3)
for step in range(400):
    k = torch.randint(0, 256, (32,))
    loss = ((model(train[k, 0]) - train[k]) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 80 == 0:
        print("step", step, "loss", loss.item())
with torch.no_grad():
    print("rollout error", ((model(test[:, 0]) - test) ** 2).mean().item())
