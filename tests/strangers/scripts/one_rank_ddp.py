import os
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP

os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
os.environ.setdefault("MASTER_PORT", str(20000 + os.getpid() % 20000))
dist.init_process_group("gloo", rank=0, world_size=1)
torch.manual_seed(50)
net = DDP(nn.Sequential(nn.Linear(28, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 5)))
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True)
cosine = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 60)
means = torch.randn(5, 28)
for step in range(60):
    y = torch.randint(0, 5, (128,))
    loss = F.cross_entropy(net(means[y] + 1.5 * torch.randn(128, 28)), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    cosine.step()
    if step % 20 == 19:
        print(step + 1, loss.item())
dist.destroy_process_group()
