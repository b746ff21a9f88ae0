"""A graph's sparse matrix times features, and a table of sparse gradients."""

import torch
from torch import nn

torch.manual_seed(0)
edges = torch.randint(0, 40, (2, 120))
graph = torch.sparse_coo_tensor(edges, torch.rand(120), (40, 40)).coalesce().requires_grad_()
table = nn.Embedding(40, 8, sparse=True)
layer = nn.Linear(8, 3)
optimizers = [torch.optim.SparseAdam(list(table.parameters()), lr=1e-2), torch.optim.SGD(layer.parameters(), lr=0.1)]
y = torch.randint(0, 3, (40,))
for _ in range(12):
    features = torch.sparse.mm(graph, table(torch.arange(40)))
    loss = nn.functional.cross_entropy(layer(features), y)
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    print(loss.item(), graph.grad.coalesce().values().sum().item())
