import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(0)


class TiedAutoencoder(nn.Module):
    """The decoder uses the transposed weights of the encoder."""

    def __init__(self, sizes=(64, 40, 16)):
        super().__init__()
        self.weights = nn.ParameterList(nn.Parameter(torch.empty(b, a)) for a, b in zip(sizes[:-1], sizes[1:]))
        self.enc_bias = nn.ParameterList(nn.Parameter(torch.zeros(b)) for b in sizes[1:])
        self.dec_bias = nn.ParameterList(nn.Parameter(torch.zeros(a)) for a in sizes[:-1])
        self.reset_parameters()

    def reset_parameters(self):
        for w in self.weights:
            nn.init.xavier_uniform_(w)

    def encode(self, x):
        for w, b in zip(self.weights, self.enc_bias):
            x = torch.tanh(F.linear(x, w, b))
        return x

    def decode(self, z):
        pairs = list(zip(self.weights, self.dec_bias))
        for i, (w, b) in enumerate(reversed(pairs)):
            z = F.linear(z, w.t(), b)
            if i < len(pairs) - 1:
                z = torch.tanh(z)
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


d = load_digits()
x = torch.tensor(d.data / 16.0, dtype=torch.float32)
mean = x[:1400].mean(0)
train, test = x[:1400] - mean, x[1400:] - mean
net = TiedAutoencoder()
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for epoch in range(40):
    total = 0.0
    for i in torch.randperm(len(train)).split(50):
        loss = (net(train[i]) - train[i]).pow(2).sum(1).mean() / 10
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    if epoch % 8 == 0:
        print("epoch", epoch, "loss", total / 28)
with torch.no_grad():
    error = (net(test) - test).pow(2).sum()
    print("unexplained share of the variance", (error / (test - test.mean(0)).pow(2).sum()).item())
