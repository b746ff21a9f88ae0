import torch

torch.manual_seed(0)
torch.set_num_threads(1)
T, HID = 45, 32


def weight(*shape, scale):
    return (scale * torch.randn(*shape)).requires_grad_()


Wx = weight(3, HID, scale=0.5)
Wh = weight(HID, HID, scale=0.06)
bh = torch.zeros(HID, requires_grad=True)
Wo = weight(HID, 2, scale=0.2)
bo = torch.zeros(2, requires_grad=True)
optimizer = torch.optim.Adam([Wx, Wh, bh, Wo, bo], lr=2e-3)


def forward(x):
    h = torch.zeros(x.shape[0], HID)
    for t in range(T):
        h = torch.tanh(x[:, t] @ Wx + h @ Wh + bh)
    return h @ Wo + bo


def make_batch(n):
    """The sign of the very first spike is asked for after T steps of noise."""
    y = torch.randint(0, 2, (n,))
    x = torch.zeros(n, T, 3)
    x[:, 0, 0] = 2.0 * y - 1.0
    x[:, 1:, 1] = 0.2 * torch.randn(n, T - 1)
    x[:, -1, 2] = 1.0
    return x, y


for step in range(350):
    x, y = make_batch(64)
    loss = torch.nn.functional.cross_entropy(forward(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print("step", step, "loss", loss.item())
with torch.no_grad():
    x, y = make_batch(1000)
    print("accuracy", (forward(x).argmax(1) == y).float().mean().item())
