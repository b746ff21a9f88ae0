"""Encoder and decoder have an optimizer each; only the decoder's gradients are ever cleared."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(46)
d = load_digits()
X = torch.tensor(d.data / 16, dtype=torch.float32)
X = X[torch.randperm(len(X))]
train, test = X[:1400], X[1400:]


class Encoder(nn.Module):
    def __init__(self, code=10):
        super().__init__()
        self.fc1 = nn.Linear(64, 48)
        self.fc2 = nn.Linear(48, code)

    def forward(self, x):
        return self.fc2(F.silu(self.fc1(x)))


class Decoder(nn.Module):
    def __init__(self, code=10):
        super().__init__()
        self.fc1 = nn.Linear(code, 48)
        self.fc2 = nn.Linear(48, 64)

    def forward(self, z):
        return self.fc2(F.silu(self.fc1(z)))


encoder, decoder = Encoder(), Decoder()
opt_enc = torch.optim.SGD(encoder.parameters(), lr=0.3, momentum=0.9)
opt_dec = torch.optim.SGD(decoder.parameters(), lr=0.3, momentum=0.9)
for epoch in range(40):
    for xb in train[torch.randperm(1400)].split(50):
        opt_enc.zero_grad()
        opt_dec.zero_grad()
        loss = F.mse_loss(decoder(encoder(xb)), xb) * 5
        loss.backward()
        opt_enc.step()
        opt_dec.step()
    if epoch % 8 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("reconstruction mse", F.mse_loss(decoder(encoder(test)), test).item())
