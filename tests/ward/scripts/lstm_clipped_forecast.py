import numpy as np
import torch
import torch.nn as nn

np.random.seed(0)
torch.manual_seed(0)
torch.set_num_threads(1)
t = np.arange(1400)
series = np.sin(t / 12) + 0.5 * np.sin(t / 31) + 0.1 * np.random.randn(len(t))
series = torch.tensor((series - series.mean()) / series.std(), dtype=torch.float32)
WINDOW = 80
X = series.unfold(0, WINDOW, 1)[:-1].unsqueeze(-1)
Y = series[WINDOW:]


class LSTMForecaster(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, num_layers=2, batch_first=True)
        self.fc = nn.Linear(hidden, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out[:, -1]).squeeze(-1)


model = LSTMForecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(4):
    for idx in torch.randperm(1100).split(64):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(X[idx]), Y[idx])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
model.eval()
with torch.no_grad():
    print("test mse", nn.functional.mse_loss(model(X[1150:]), Y[1150:]).item())
