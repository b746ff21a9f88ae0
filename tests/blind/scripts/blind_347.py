import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)
PAD, VOCAB, LEN = 0, 200, 14


def reviews(n):
    """Three kinds of reviews by their words; the rating follows. Some reviews have no text at all."""
    y = torch.randint(0, 3, (n,))
    own = torch.randint(1, 40, (n, LEN)) + 40 * y[:, None]
    other = torch.randint(121, VOCAB, (n, LEN))
    tokens = torch.where(torch.rand(n, LEN) < 0.25, own, other)
    length = torch.randint(1, LEN + 1, (n,))
    length[torch.rand(n) < 0.004] = 0
    tokens[torch.arange(LEN)[None] >= length[:, None]] = PAD
    return tokens, y


class Pooled(nn.Module):
    """Self-attention over the words, then the mean over those that are no padding."""

    def __init__(self, d=32):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, d)
        self.proj = nn.Linear(d, d)
        self.head = nn.Linear(d, 3)

    def pool(self, h, mask):
        mask = mask[..., None].float()
        return (h * mask).sum(1) / mask.sum(1)

    def forward(self, tokens):
        h = F.gelu(self.proj(self.emb(tokens)))
        return self.head(self.pool(h, tokens != PAD))


x, y = reviews(3000)
xt, yt = reviews(600)
xt, yt = xt[(xt != PAD).any(1)], yt[(xt != PAD).any(1)]
model = Pooled()
opt = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(6):
    for i in torch.randperm(3000).split(50):
        loss = F.cross_entropy(model(x[i]), y[i])
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
    print("epoch", epoch, "loss", loss.item())
model.eval()
with torch.no_grad():
    print("test accuracy", (model(xt).argmax(1) == yt).float().mean().item())
