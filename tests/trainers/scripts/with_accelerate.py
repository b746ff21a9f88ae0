import torch
from accelerate import Accelerator
from network import network, points, say_weights
from torch import nn

accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
model = network()
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*points()), batch_size=16)
model, optimizer, data = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.2), data)
for _ in range(4):
    for x, y in data:
        with accelerator.accumulate(model):
            accelerator.backward(nn.functional.cross_entropy(model(x), y))
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
say_weights(model.parameters())
