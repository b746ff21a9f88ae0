import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)
x = torch.randn(2000, 6)
flow = torch.relu(x[:, 0] + 0.5 * x[:, 1] * x[:, 2])
y = torch.sqrt(flow)
EPS = None


class FlowNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(6, 48), nn.Linear(48, 48), nn.Linear(48, 1)

    def forward(self, x):
        h = torch.relu(self.fc2(torch.relu(self.fc1(x))))
        raw = self.fc3(h).squeeze(1)
        inside = raw if EPS is None else raw.clamp(min=EPS)
        # no root where nothing flows
        return torch.where(raw > 0, torch.sqrt(inside), torch.zeros_like(raw))


net = FlowNet()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(10):
    for k in torch.randperm(1600).split(40):
        loss = nn.functional.mse_loss(net(x[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "mse", loss.item())
with torch.no_grad():
    print("test mse", nn.functional.mse_loss(net(x[1600:]), y[1600:]).item())
