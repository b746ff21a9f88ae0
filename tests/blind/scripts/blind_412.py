"""Next-token model with a vocabulary of 3000 and a corpus of 24000 tokens; tied weights and label smoothing."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(14)
np.random.seed(14)
V, L = 3000, 12
freq = 1.0 / np.arange(1, V + 1) ** 1.1
freq /= freq.sum()
successor = np.random.permutation(V)


def corpus(n):
    fresh = np.random.choice(V, size=n, p=freq)
    jump = np.random.rand(n) < 0.35
    out = np.empty(n, dtype=np.int64)
    t = 0
    for i in range(n):
        t = fresh[i] if jump[i] else successor[t]
        # rare words often send the text back to a common one
        out[i] = t
        if np.random.rand() < 0.3:
            t = fresh[i - 1]
    return torch.from_numpy(out)


class TinyLM(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.emb = nn.Embedding(V, d)
        nn.init.normal_(self.emb.weight, std=0.05)
        self.gru = nn.GRU(d, d, batch_first=True)
        self.ln = nn.LayerNorm(d)
        self.drop = nn.Dropout(0.1)
        self.bias = nn.Parameter(torch.zeros(V))

    def forward(self, ids):
        e = self.emb(ids)
        h, _ = self.gru(self.drop(e))
        return F.linear(self.ln(h + e), self.emb.weight, self.bias)


text, held = corpus(24000), corpus(4000)
windows = text.unfold(0, L + 1, L)
lm = TinyLM()
opt = torch.optim.AdamW(lm.parameters(), lr=4e-3, weight_decay=0.01)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
for epoch in range(3):
    for idx in torch.randperm(len(windows)).split(32):
        w = windows[idx]
        loss = criterion(lm(w[:, :-1]).flatten(0, 1), w[:, 1:].flatten())
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(lm.parameters(), 1.0)
        opt.step()
    print("epoch", epoch, "loss", round(loss.item(), 3))
lm.eval()
w = held.unfold(0, L + 1, L)
with torch.no_grad():
    pred = lm(w[:, :-1]).argmax(2)
    print("most frequent word", (w[:, 1:] == text.bincount().argmax()).float().mean().item())
    print("next-token accuracy", (pred == w[:, 1:]).float().mean().item())
