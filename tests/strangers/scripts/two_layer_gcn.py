import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(53)
n, k = 300, 4
label = torch.randint(0, k, (n,))
prob = torch.where(label[:, None] == label[None], 0.08, 0.01)
adj = (torch.rand(n, n) < prob).float().triu(1)
adj = adj + adj.T + torch.eye(n)
scale = adj.sum(1).rsqrt()
adj = scale[:, None] * adj * scale
feat = F.one_hot(label, k).float() * 0.6 + torch.randn(n, k)
feat = torch.cat([feat, torch.randn(n, 12)], 1)
train = torch.rand(n) < 0.3


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1, self.w2, self.drop = nn.Linear(16, 32), nn.Linear(32, k), nn.Dropout(0.3)

    def forward(self, x):
        return adj @ self.w2(self.drop(torch.relu(adj @ self.w1(x))))


net = GCN()
opt = torch.optim.Adam(net.parameters(), lr=1e-2, weight_decay=5e-4)
for epoch in range(200):
    loss = F.cross_entropy(net(feat)[train], label[train])
    opt.zero_grad()
    loss.backward()
    opt.step()
net.eval()
print(loss.item(), (net(feat).argmax(1) == label)[~train].float().mean().item())
