import torch
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
data = load_digits()
x = torch.tensor(data.data / 16.0, dtype=torch.float32)
y = torch.tensor(data.target)

w1 = (torch.randn(64, 50) * 0.15).requires_grad_()
b1 = torch.zeros(50, requires_grad=True)
w2 = (torch.randn(50, 10) * 0.15).requires_grad_()
b2 = torch.zeros(10, requires_grad=True)
lr = 0.3


def net(x):
    return torch.tanh(x @ w1 + b1) @ w2 + b2


for epoch in range(25):
    for i in range(0, 1400, 50):
        loss = torch.nn.functional.cross_entropy(net(x[i:i + 50]), y[i:i + 50])
        loss.backward()
        with torch.no_grad():
            for p in (w1, b1, w2, b2):
                p -= lr * p.grad
    if epoch % 5 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("test loss", torch.nn.functional.cross_entropy(net(x[1400:]), y[1400:]).item())
