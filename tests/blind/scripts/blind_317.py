import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(0)
ARMS, CONTEXT = 6, 8
truth = torch.randn(CONTEXT, ARMS)


class Policy(nn.Module):
    def __init__(self, gain):
        super().__init__()
        self.hidden = nn.Linear(CONTEXT, 64)
        self.logits = nn.Linear(64, ARMS)
        nn.init.orthogonal_(self.hidden.weight, gain)
        nn.init.orthogonal_(self.logits.weight, gain)

    def forward(self, s):
        h = torch.tanh(self.hidden(s))
        return torch.softmax(self.logits(h), -1)


class Baseline(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(CONTEXT, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, s):
        return self.net(s)[:, 0]


def reward(s, a):
    """One for the best arm of the context, a little noise."""
    best = (s @ truth).argmax(1)
    return (a == best).float() + 0.1 * torch.randn(len(a))


policy, baseline = Policy(gain=20.0), Baseline()
opt = torch.optim.Adam(policy.parameters(), lr=3e-3)
opt_b = torch.optim.Adam(baseline.parameters(), lr=3e-3)
for step in range(900):
    s = torch.randn(128, CONTEXT)
    dist = torch.distributions.Categorical(probs=policy(s))
    a = dist.sample()
    r = reward(s, a)
    value = baseline(s)
    adv = (r - value).detach()
    loss = -(dist.log_prob(a) * adv).mean() - 0.003 * dist.entropy().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    loss_b = (value - r).pow(2).mean()
    opt_b.zero_grad()
    loss_b.backward()
    opt_b.step()
    if step % 150 == 0:
        print("step", step, "reward", r.mean().item(), "entropy", dist.entropy().mean().item())
with torch.no_grad():
    s = torch.randn(3000, CONTEXT)
    a = policy(s).argmax(1)
    print("share of best arms", (a == (s @ truth).argmax(1)).float().mean().item())
