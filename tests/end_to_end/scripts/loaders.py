"""Trains from data loaders with workers of each kind, and saves a class of its own."""

import io
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.set_num_threads(1)


class Squares(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        weight = torch.full((2,), float(index), requires_grad=True)
        weight.square().sum().backward()
        # In a worker these are torch's own functions, whatever watches the process that trains.
        untouched = torch.autograd.backward.__module__ == "torch.autograd"
        return weight.grad, torch.tensor([float(untouched)])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, x):
        return self.linear(x)


if __name__ == "__main__":
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    for method in sys.argv[1:]:
        for x, untouched in DataLoader(Squares(), batch_size=4, num_workers=1, multiprocessing_context=method):
            optimizer.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            optimizer.step()
            print(method, untouched.tolist(), loss.item())
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    print(torch.load(file, weights_only=False)(torch.ones(1, 2)).item())
    loss.backward()  # for the second time, which torch refuses
