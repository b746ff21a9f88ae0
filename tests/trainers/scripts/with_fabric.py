import torch
from lightning.fabric import Fabric
from network import network, points, say_weights
from torch import nn

fabric = Fabric(accelerator="cpu", devices=1)
model = network()
model, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
data = fabric.setup_dataloaders(torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*points()), batch_size=32))
for _ in range(4):
    for x, y in data:
        optimizer.zero_grad()
        fabric.backward(nn.functional.cross_entropy(model(x), y))
        fabric.clip_gradients(model, optimizer, max_norm=1.0)
        optimizer.step()
say_weights(model.parameters())
