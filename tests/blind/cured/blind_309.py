import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)

# stochastic block model: four communities, noisy features
N, K = 400, 4
label = torch.arange(N) % K
prob = torch.where(label[:, None] == label[None, :], 0.12, 0.015)
A = (torch.rand(N, N) < prob).float().triu(1)
A = A + A.t() + torch.eye(N)
X = torch.randn(N, 16) + 0.6 * torch.randn(K, 16)[label]
dinv = A.sum(1).rsqrt()
P = dinv[:, None] * A * dinv[None]


class GraphConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.lin = nn.Linear(i, o, bias=False)

    def forward(self, x, adj):
        return adj @ self.lin(x)


class GCN(nn.Module):
    def __init__(self, d_in, hidden, d_out, layers=5):
        super().__init__()
        sizes = [d_in] + [hidden] * (layers - 1) + [d_out]
        self.convs = nn.ModuleList(GraphConv(a, b) for a, b in zip(sizes[:-1], sizes[1:]))

    def forward(self, x, adj):
        for conv in self.convs[:-1]:
            x = F.relu(conv(x, adj))
        return self.convs[-1](x, adj)


perm = torch.randperm(N)
tr, te = perm[:120], perm[120:]
net = GCN(16, 32, K)
for c in net.convs:
    nn.init.kaiming_normal_(c.lin.weight)
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(150):
    net.train()
    out = net(X, P)
    loss = F.cross_entropy(out[tr], label[tr])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if epoch % 25 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print("node accuracy", (net(X, P)[te].argmax(1) == label[te]).float().mean().item())
