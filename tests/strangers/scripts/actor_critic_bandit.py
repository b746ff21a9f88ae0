import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(58)


class ActorCritic(nn.Module):
    def __init__(self, s=6, a=4):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(s, 64), nn.Tanh())
        self.pi, self.v = nn.Linear(64, a), nn.Linear(64, 1)

    def forward(self, x):
        h = self.body(x)
        return Categorical(logits=self.pi(h)), self.v(h).squeeze(-1)


net, truth = ActorCritic(), torch.randn(6, 4)
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for update in range(80):
    s = torch.randn(256, 6)
    with torch.no_grad():
        dist, v = net(s)
        a = dist.sample()
        old = dist.log_prob(a)
        r = (s @ truth).gather(1, a[:, None]).squeeze(1) + 0.1 * torch.randn(256)
        adv = r - v
        adv = (adv - adv.mean()) / (adv.std() + 1e-8)
    for _ in range(4):
        for rows in torch.randperm(256).split(64):
            dist, v = net(s[rows])
            ratio = (dist.log_prob(a[rows]) - old[rows]).exp()
            gain = torch.min(ratio * adv[rows], ratio.clamp(0.8, 1.2) * adv[rows]).mean()
            loss = -gain + 0.5 * (v - r[rows]).pow(2).mean() - 0.01 * dist.entropy().mean()
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            opt.step()
    if update % 20 == 19:
        print(update + 1, r.mean().item())
