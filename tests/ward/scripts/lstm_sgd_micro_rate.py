import math
import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)
t = torch.arange(1000.0)
wave = torch.sin(2 * math.pi * t / 25) + 0.3 * torch.sin(2 * math.pi * t / 7) + 0.05 * torch.randn(1000)
X = wave.unfold(0, 20, 1)[:-1].unsqueeze(-1)
y = wave[20:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 32, batch_first=True)
        self.fc = nn.Linear(32, 1)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1]).squeeze(-1)


LR = 1e-5
net = Net()
opt = torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9)
for epoch in range(12):
    for k in torch.randperm(800).split(40):
        opt.zero_grad()
        loss = nn.functional.mse_loss(net(X[k]), y[k])
        loss.backward()
        opt.step()
    print("epoch", epoch, "mse", loss.item())
with torch.no_grad():
    print("test mse", nn.functional.mse_loss(net(X[800:]), y[800:]).item())
