import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)
VOCAB, LEN = 12, 10


def make(n):
    """Sort a string of digits; the decoder sees the source and what it wrote so far."""
    src = torch.randint(2, VOCAB, (n, LEN))
    tgt = src.sort(1).values
    return src, torch.cat([torch.ones(n, 1, dtype=torch.long), tgt], 1)


class Seq2Seq(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.src = nn.Embedding(VOCAB, d)
        self.tgt = nn.Embedding(VOCAB, d)
        self.ps = nn.Parameter(0.1 * torch.randn(LEN, d))
        self.pt = nn.Parameter(0.1 * torch.randn(LEN, d))
        self.core = nn.Transformer(d, 2, 1, 1, 64, dropout=0.0, batch_first=True)
        self.out = nn.Linear(d, VOCAB)

    def forward(self, s, t):
        mask = nn.Transformer.generate_square_subsequent_mask(t.shape[1])
        h = self.core(self.src(s) + self.ps, self.tgt(t) + self.pt[: t.shape[1]], tgt_mask=mask)
        return self.out(h)


model = Seq2Seq()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(260):
    s, t = make(64)
    logits = model(s, t[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1), t[:, 1:].flatten())
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 50 == 0:
        print("step", step, "loss", loss.item())
model.eval()
s, t = make(500)
with torch.no_grad():
    pred = model(s, t[:, :-1]).argmax(-1)
print("token accuracy", (pred == t[:, 1:]).float().mean().item())
