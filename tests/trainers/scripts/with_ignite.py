import torch
from ignite.engine import create_supervised_trainer
from network import network, points, say_weights
from torch import nn

model = network()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*points()), batch_size=32)
create_supervised_trainer(model, optimizer, nn.functional.cross_entropy).run(data, max_epochs=4)
say_weights(model.parameters())
