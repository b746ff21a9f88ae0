import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)
# a stochastic block model; few labels
N, C = 240, 4
labels = torch.randint(0, C, (N,))
prob = torch.where(labels.unsqueeze(0) == labels.unsqueeze(1), 0.12, 0.01)
A = (torch.rand(N, N) < prob).float().triu(1)
A = A + A.T + torch.eye(N)
deg = A.sum(1).rsqrt()
A_hat = (deg.unsqueeze(1) * A * deg.unsqueeze(0)).to_sparse()
feats = torch.randn(N, 16)
feats[torch.arange(N), labels] += 0.5


class GraphConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(i, o))
        self.bias = nn.Parameter(torch.zeros(o))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x):
        return torch.sparse.mm(A_hat, x @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.gc1, self.gc2 = GraphConv(16, 32), GraphConv(32, C)

    def forward(self, x):
        x = nn.functional.dropout(torch.relu(self.gc1(x)), 0.5, self.training)
        return self.gc2(x)


train = torch.zeros(N, dtype=torch.bool)
train[:60] = True
model = GCN()
opt = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
for epoch in range(250):
    model.train()
    loss = nn.functional.cross_entropy(model(feats)[train], labels[train])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if epoch % 50 == 0:
        print("epoch", epoch, "loss", loss.item())
model.eval()
with torch.no_grad():
    print("accuracy", (model(feats).argmax(1) == labels)[~train].float().mean().item())
