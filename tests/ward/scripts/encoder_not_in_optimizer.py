import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)


class Encoder(nn.Module):
    def __init__(self, z=2):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, 64), nn.Linear(64, z)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


class Decoder(nn.Module):
    def __init__(self, z=2):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(z, 64), nn.Linear(64, 64)

    def forward(self, z):
        return torch.sigmoid(self.fc2(torch.relu(self.fc1(z))))


data = torch.tensor(load_digits().data / 16.0).float()
encoder, decoder = Encoder(), Decoder()
params = list(decoder.parameters())
optimizer = torch.optim.Adam(params, lr=3e-3)
for epoch in range(25):
    for k in torch.randperm(1500).split(50):
        recon = decoder(encoder(data[k]))
        loss = nn.functional.binary_cross_entropy(recon, data[k])
        encoder.zero_grad()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "bce", loss.item())
with torch.no_grad():
    print("test mse", nn.functional.mse_loss(decoder(encoder(data[1500:])), data[1500:]).item())
