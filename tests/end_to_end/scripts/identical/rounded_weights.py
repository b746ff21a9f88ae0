"""Training that knows of quantization: fake-quantized weights and values, whose observers keep ranges."""

import torch
from torch import nn

torch.manual_seed(0)
first, second = nn.Linear(8, 16), nn.Linear(16, 1)
optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.05)
x = torch.randn(32, 8)
packed = torch.quantize_per_tensor(x, 0.1, 0, torch.qint8)
scale = nn.Parameter(torch.tensor([0.05]))
for _ in range(12):
    w = torch.fake_quantize_per_tensor_affine(first.weight, 0.02, 0, -128, 127)
    h = torch.relu(nn.functional.linear(packed.dequantize(), w, first.bias))
    h = torch._fake_quantize_learnable_per_tensor_affine(h, scale, torch.zeros(1), 0, 255, 1.0)
    loss = (second(h) - x[:, :1]).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item(), scale.grad.item())
