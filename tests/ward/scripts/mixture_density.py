import math
import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)
K = 6


class MDN(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh())
        self.pi, self.mu, self.log_sigma = nn.Linear(40, K), nn.Linear(40, K), nn.Linear(40, K)

    def forward(self, x):
        h = self.hidden(x)
        return torch.log_softmax(self.pi(h), 1), self.mu(h), self.log_sigma(h).clamp(-4, 3)


def nll(x, y):
    log_pi, mu, log_sigma = model(x)
    log_n = -0.5 * ((y - mu) / log_sigma.exp()) ** 2 - log_sigma - 0.5 * math.log(2 * math.pi)
    return -torch.logsumexp(log_pi + log_n, 1).mean()


y = torch.rand(2400, 1) * 20 - 10
x = (7 * torch.sin(0.75 * y) + 0.5 * y + 0.5 * torch.randn_like(y)) / 8  # the inverse problem: many values
y = y / 10
model = MDN()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for it in range(900):
    k = torch.randint(0, 2000, (128,))
    loss = nll(x[k], y[k])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 150 == 0:
        print(it, loss.item())
with torch.no_grad():
    print("test likelihood loss", nll(x[2000:], y[2000:]).item())
