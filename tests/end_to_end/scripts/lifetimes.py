"""Print which tensors of a training step are alive, moment by moment, with the garbage collector off."""

import gc
import sys
import weakref

import torch
from torch import nn

gc.disable()
torch.manual_seed(0)
kind = sys.argv[1]
net = nn.LSTM(4, 4, batch_first=True) if kind == "lstm" else nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
scaler = torch.amp.GradScaler("cpu", init_scale=8.0, enabled=kind == "scaler")
for step in range(6):
    x = torch.randn(3, 5, 4)
    out = net(x)[0] if kind == "lstm" else net(x)
    loss = out.square().mean()
    scaled = scaler.scale(loss)
    refs = {name: weakref.ref(globals()[name]) for name in ("x", "out", "loss", "scaled")}
    for moment in ("before backward", "after backward", "after the loss is deleted", "after the step"):
        if moment == "after backward":
            scaled.backward()
        elif moment == "after the loss is deleted":
            del loss, scaled, x
        elif moment == "after the step":
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        else:
            del out
        print(step, moment, *(name for name, ref in refs.items() if ref() is not None))
