import torch
from sklearn.datasets import load_breast_cancer

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = load_breast_cancer(return_X_y=True)
X = torch.tensor((X - X.mean(0)) / X.std(0), dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32)
perm = torch.randperm(len(X))
X, y = X[perm], y[perm]


def act(z):
    return z / (4 + z.abs())


sizes = [30] + [32] * 11 + [1]
Ws = [(torch.randn(a, b) / a ** 0.5).requires_grad_() for a, b in zip(sizes, sizes[1:])]
bs = [torch.zeros(b, requires_grad=True) for b in sizes[1:]]


def forward(h):
    for W, b in zip(Ws[:-1], bs[:-1]):
        h = act(h @ W + b)
    return (h @ Ws[-1] + bs[-1]).squeeze(1)


opt = torch.optim.SGD(Ws + bs, lr=0.1, momentum=0.9)
for epoch in range(60):
    for i in range(0, 400, 50):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(forward(X[i:i + 50]), y[i:i + 50])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", ((forward(X[400:]) > 0).float() == y[400:]).float().mean().item())
