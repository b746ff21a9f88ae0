import torch
from torch import nn

torch.manual_seed(0)
table = nn.EmbeddingBag(100, 8, mode="sum", sparse=True)
head = nn.Linear(8, 3)
optimizers = [torch.optim.SparseAdam(table.parameters(), lr=1e-2), torch.optim.SGD(head.parameters(), lr=0.1)]
words, labels = torch.randint(0, 100, (16, 5)), torch.arange(16) % 3
for step in range(20):
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss = nn.functional.cross_entropy(head(table(words)), labels)
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    print(step, loss.item(), table.weight.grad.is_sparse)
