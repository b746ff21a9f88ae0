import torch

torch.manual_seed(0)
weights = [torch.randn(8, 8, requires_grad=True), torch.randn(8, 1, requires_grad=True)]
x = torch.randn(32, 8)
for step in range(20):
    loss = (torch.relu(x @ weights[0]) @ weights[1] - 1).pow(2).mean()
    gradients = torch.autograd.grad(loss, weights)
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            weight -= 0.001 * gradient
    print(step, loss.item())
