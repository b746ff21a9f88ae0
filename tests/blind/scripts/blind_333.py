import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)
TOPICS, PER_TOPIC, COMMON = 8, 25, 20
VOCAB = TOPICS * PER_TOPIC + COMMON


def corpus(sentences, length=12):
    """Every sentence is about one topic, with some common words in between."""
    topic = torch.randint(0, TOPICS, (sentences, 1))
    # words within a topic are Zipf distributed
    p = 1.0 / torch.arange(1, PER_TOPIC + 1).float()
    word = torch.multinomial(p.expand(sentences, -1), length, replacement=True) + topic * PER_TOPIC
    common = torch.randint(TOPICS * PER_TOPIC, VOCAB, (sentences, length))
    return torch.where(torch.rand(sentences, length) < 0.3, common, word)


class SkipGram(nn.Module):
    def __init__(self, dim=24):
        super().__init__()
        self.center = nn.Embedding(VOCAB, dim, sparse=True)
        self.context = nn.Embedding(VOCAB, dim, sparse=True)
        # as word2vec.c does
        nn.init.uniform_(self.center.weight, -0.5 / dim, 0.5 / dim)
        nn.init.zeros_(self.context.weight)

    def forward(self, c, pos, neg):
        v = self.center(c)
        good = (v * self.context(pos)).sum(-1)
        bad = torch.einsum("bd,bkd->bk", v, self.context(neg))
        return -(F.logsigmoid(good) + F.logsigmoid(-bad).sum(1)).mean()


text = corpus(1500)
pairs = []
for shift in (1, 2, 3):
    pairs.append(torch.stack([text[:, shift:].flatten(), text[:, :-shift].flatten()], 1))
pairs = torch.cat(pairs)
pairs = torch.cat([pairs, pairs.flip(1)])
count = torch.bincount(text.flatten(), minlength=VOCAB).float().pow(0.75)
model = SkipGram()
opt = torch.optim.SparseAdam(list(model.parameters()), lr=5e-3)
step = 0
for epoch in range(3):
    for i in torch.randperm(len(pairs)).split(256):
        neg = torch.multinomial(count, len(i) * 5, replacement=True).view(len(i), 5)
        loss = model(pairs[i, 0], pairs[i, 1], neg)
        opt.zero_grad()
        loss.backward()
        opt.step()
        step += 1
        if step % 200 == 0:
            print("step", step, "loss", loss.item())

with torch.no_grad():
    e = F.normalize(model.center.weight[: TOPICS * PER_TOPIC], dim=1)
    sim = e @ e.t()
    sim.fill_diagonal_(-1)
    topic = torch.arange(TOPICS * PER_TOPIC) // PER_TOPIC
    print("nearest neighbour of the same topic", (topic[sim.argmax(1)] == topic).float().mean().item())
