import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = load_digits(return_X_y=True)
X = (X - X.mean()) / X.std()
X, y = torch.tensor(X).float(), torch.tensor(y)


def snn(n_in, n_out, width=64, depth=14):
    layers = []
    for k in range(depth):
        layers += [nn.Linear(n_in if k == 0 else width, width), nn.SELU() if k % 3 else nn.ELU(), nn.AlphaDropout(0.02)]
    layers.append(nn.Linear(width, n_out))
    for m in layers:
        if isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight, nonlinearity="linear")
            nn.init.zeros_(m.bias)
    return nn.Sequential(*layers)


net = snn(64, 10)
opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
for epoch in range(12):
    net.train()
    for k in torch.randperm(1400).split(50):
        loss = nn.functional.cross_entropy(net(X[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
net.eval()
print("accuracy", (net(X[1400:]).argmax(1) == y[1400:]).float().mean().item())
