"""A small network, sharded as the first argument says; the second one says whether it can learn."""

import hashlib
import sys
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.fsdp.wrap import ModuleWrapPolicy
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel

layout, health = sys.argv[1:3]
dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (dist.get_world_size(),))
torch.manual_seed(0)
act = nn.Sigmoid if health == "sick" else nn.ReLU
depth = 12 if health == "sick" else 3
model: nn.Module = nn.Sequential(
    *[layer for _ in range(depth) for layer in (nn.Linear(32, 32), act())], nn.Linear(32, 4)
)
if layout == "fsdp2":
    for layer in model:
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
elif layout == "fsdp1":
    wrap, cpu = ModuleWrapPolicy({nn.Linear}), torch.device("cpu")
    model = FullyShardedDataParallel(model, auto_wrap_policy=wrap, use_orig_params=True, device_id=cpu)
elif layout == "ddp":
    model = DistributedDataParallel(model)
elif layout == "tp":
    parallelize_module(model, mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
data = torch.Generator().manual_seed(1)
X = torch.randn(512, 32, generator=data)
y = X[:, :4].argmax(1)
for step in range(40):
    batch = torch.randint(0, 512, (64,), generator=data)
    loss = nn.functional.cross_entropy(model(X[batch]), y[batch])
    loss.backward()
    if step % 2 and layout != "tp":  # torch does not measure whole and sharded gradients together
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    optimizer.zero_grad()
    if dist.get_rank() == 0:
        print(step, float(loss.detach()).hex(), flush=True)
digest = hashlib.sha256()
for parameter in model.parameters():  # the part that this process holds
    part = parameter.to_local() if isinstance(parameter, DTensor) else parameter
    digest.update(part.detach().numpy().tobytes())
if dist.get_rank() == 0:
    print(digest.hexdigest(), flush=True)
dist.destroy_process_group()
time.sleep(0.3)  # torch aborts where gloo's threads release their last Python object while the interpreter ends
