"""Wine data scaled to 0..1; the second hidden layer's weights are drawn from -1..0."""
import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler

torch.set_num_threads(1)
torch.manual_seed(16)
data = load_wine()
Xa, Xb, ya, yb = train_test_split(data.data, data.target, test_size=0.4, random_state=1, stratify=data.target)
scaler = MinMaxScaler().fit(Xa)
Xa, Xb = (torch.tensor(scaler.transform(v), dtype=torch.float32) for v in (Xa, Xb))
ya, yb = torch.tensor(ya), torch.tensor(yb)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(13, 32)
        self.mix = nn.Linear(32, 32)
        self.top = nn.Linear(32, 16)
        self.out = nn.Linear(16, 3)
        self.init_weights()

    def init_weights(self):
        nn.init.uniform_(self.mix.weight, -0.3, 0.3)
        nn.init.zeros_(self.mix.bias)

    def forward(self, x):
        x = torch.sigmoid(self.embed(x))
        x = nn.functional.relu(self.mix(x))
        x = nn.functional.relu(self.top(x))
        return self.out(x)


model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(120):
    for idx in torch.randperm(len(Xa)).split(16):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(Xa[idx]), ya[idx])
        loss.backward()
        optimizer.step()
    if epoch % 20 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (model(Xb).argmax(1) == yb).float().mean().item())
