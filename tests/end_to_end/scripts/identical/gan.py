import torch
from torch import nn

torch.manual_seed(0)
maker = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 2))
critic = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
of_maker = torch.optim.Adam(maker.parameters(), lr=1e-3, betas=(0.5, 0.9))
of_critic = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))
true, false = torch.ones(16, 1), torch.zeros(16, 1)
judge = nn.BCEWithLogitsLoss()
for step in range(15):
    fake = maker(torch.randn(16, 4))
    of_critic.zero_grad()
    bad = judge(critic(torch.randn(16, 2) + 2), true) + judge(critic(fake.detach()), false)
    bad.backward()
    of_critic.step()
    of_maker.zero_grad()
    good = judge(critic(fake), true)
    good.backward()
    of_maker.step()
    print(step, bad.item(), good.item())
