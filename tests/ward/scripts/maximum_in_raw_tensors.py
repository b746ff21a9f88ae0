import torch
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
d = load_digits()
x, y = torch.tensor(d.data / 16.0).float(), torch.tensor(d.target)
H = 64
START = -15.0
W1 = torch.empty(64, H).normal_(0, (2 / 64) ** 0.5).requires_grad_()
b1 = torch.full((H,), START, requires_grad=True)
W2 = torch.empty(H, H).normal_(0, (2 / H) ** 0.5).requires_grad_()
b2 = torch.zeros(H, requires_grad=True)
W3 = torch.empty(H, 10).normal_(0, (1 / H) ** 0.5).requires_grad_()
b3 = torch.zeros(10, requires_grad=True)
params = [W1, b1, W2, b2, W3, b3]


def relu(z):
    return torch.maximum(z, torch.zeros_like(z))


def predict(x):
    h1 = relu(torch.addmm(b1, x, W1))
    h2 = relu(torch.addmm(b2, h1, W2))
    return torch.addmm(b3, h2, W3)


for epoch in range(15):
    for i in range(0, 1400, 50):
        loss = torch.nn.functional.cross_entropy(predict(x[i:i + 50]), y[i:i + 50])
        for p in params:
            p.grad = None
        loss.backward()
        with torch.no_grad():
            for p in params:
                if p.grad is not None:
                    p.sub_(0.1 * p.grad)
    if epoch % 3 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (predict(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
