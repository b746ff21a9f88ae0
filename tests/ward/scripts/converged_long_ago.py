import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)
# more parameters than points: the loss falls to the floor of float32 and training goes on
x = torch.randn(40, 6)
y = torch.sin(x[:, :1]) + 0.5 * x[:, 1:2]
net = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 2500)
for step in range(2500):
    opt.zero_grad()
    loss = nn.functional.mse_loss(net(x), y)
    loss.backward()
    opt.step()
    sched.step()
    if step % 250 == 0:
        print(f"step {step} loss {loss.item():.3e}")
print("training loss", f"{loss.item():.10f}")
