import random
import torch
import torch.nn as nn
import torch.nn.functional as F

random.seed(0)
torch.manual_seed(0)
torch.set_num_threads(1)
# a toy corpus: words of one topic keep company
TOPICS, PER = 6, 12
corpus = []
for _ in range(600):
    topic = random.randrange(TOPICS)
    corpus.append([topic * PER + min(int(random.expovariate(0.3)), PER - 1) for _ in range(9)])
pairs = [(s[i], s[j]) for s in corpus for i in range(9) for j in range(max(0, i - 2), min(9, i + 3)) if i != j]
pairs = torch.tensor(pairs)
V = TOPICS * PER


class SkipGram(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.center = nn.Embedding(V, dim, sparse=True)
        self.context = nn.Embedding(V, dim, sparse=True)
        nn.init.uniform_(self.center.weight, -0.5 / dim, 0.5 / dim)
        nn.init.zeros_(self.context.weight)

    def forward(self, c, o, neg):
        v = self.center(c)
        pos = F.logsigmoid((v * self.context(o)).sum(1))
        negs = F.logsigmoid(-torch.bmm(self.context(neg), v.unsqueeze(2)).squeeze(2)).sum(1)
        return -(pos + negs).mean()


model = SkipGram()
opt = torch.optim.SparseAdam(list(model.parameters()), lr=0.02)
for step in range(700):
    batch = pairs[torch.randint(0, len(pairs), (128,))]
    loss = model(batch[:, 0], batch[:, 1], torch.randint(0, V, (128, 5)))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        print(step, loss.item())
with torch.no_grad():
    e = F.normalize(model.center.weight, dim=1)
    near = (e @ e.T).fill_diagonal_(-2).argmax(1)
print("neighbour of the same topic", (near // PER == torch.arange(V) // PER).float().mean().item())
