import math
import torch

torch.manual_seed(5)
N, D, H = 1024, 12, 96


class Squash(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        y = 1 / (1 + torch.exp(-z.clamp(-60, 60)))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y * (1 - y)


data = torch.rand(N, D) * 3 + 300
target = (data[:, 0] > data[:, 1]).float()
w1 = (torch.randn(D, H) / math.sqrt(D)).requires_grad_()
b1 = torch.zeros(H, requires_grad=True)
w2 = (torch.randn(H, 1) / math.sqrt(H)).requires_grad_()
b2 = torch.zeros(1, requires_grad=True)
params = [w1, b1, w2, b2]
for epoch in range(60):
    for chunk in torch.randperm(N).split(64):
        h = Squash.apply(data[chunk] @ w1 + b1)
        out = (h @ w2 + b2).squeeze(1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(out, target[chunk])
        grads = torch.autograd.grad(loss, params)
        with torch.no_grad():
            for p, g in zip(params, grads):
                p -= 0.05 * g
    if epoch % 20 == 19:
        with torch.no_grad():
            acc = (((Squash.apply(data @ w1 + b1) @ w2 + b2).squeeze(1) > 0).float() == target).float().mean()
        print(epoch + 1, float(loss.detach()), float(acc))
