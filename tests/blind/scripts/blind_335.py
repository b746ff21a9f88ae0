import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.set_num_threads(1)
torch.manual_seed(0)
PAD, BOS, FIRST, VOCAB, MAX = 0, 1, 2, 14, 9


def make(n):
    """Reverse a sequence of letters; lengths differ, the rest is padding."""
    length = torch.randint(3, MAX + 1, (n,))
    src = torch.randint(FIRST, VOCAB, (n, MAX))
    pos = torch.arange(MAX)[None]
    src[pos >= length[:, None]] = PAD
    tgt = torch.zeros_like(src)
    for k in range(n):
        tgt[k, : length[k]] = src[k, : length[k]].flip(0)
    return src, length, tgt


class Attention(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d, bias=False), nn.Linear(2 * d, d, bias=False)
        self.v = nn.Linear(d, 1, bias=False)

    def forward(self, h, memory, mask):
        score = self.v(torch.tanh(self.q(h)[:, None] + self.k(memory)))[..., 0]
        w = torch.softmax(score.masked_fill(mask, float("-inf")), 1)
        return (w[..., None] * memory).sum(1)


class Seq2Seq(nn.Module):
    def __init__(self, d=40):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, 24, padding_idx=PAD)
        self.encoder = nn.GRU(24, d, batch_first=True, bidirectional=True)
        self.attn = Attention(d)
        self.cell = nn.GRUCell(24 + 2 * d, d)
        self.out = nn.Linear(3 * d, VOCAB)
        self.d = d

    def forward(self, src, length, tgt):
        packed = pack_padded_sequence(self.emb(src), length, batch_first=True, enforce_sorted=False)
        memory, _ = pad_packed_sequence(self.encoder(packed)[0], batch_first=True, total_length=MAX)
        mask = src == PAD
        h = memory.new_zeros(len(src), self.d)
        prev, logits = torch.full((len(src),), BOS), []
        for t in range(MAX):
            ctx = self.attn(h, memory, mask)
            h = self.cell(torch.cat([self.emb(prev), ctx], 1), h)
            logits.append(self.out(torch.cat([h, ctx], 1)))
            prev = tgt[:, t] if self.training else logits[-1].argmax(1)
        return torch.stack(logits, 1)


net = Seq2Seq()
opt = torch.optim.Adam(net.parameters(), lr=6e-3)
for step in range(260):
    src, length, tgt = make(48)
    logits = net(src, length, tgt)
    loss = F.cross_entropy(logits.flatten(0, 1), tgt.flatten(), ignore_index=PAD)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    if step % 50 == 0:
        print("step", step, "loss", loss.item())
net.eval()
src, length, tgt = make(400)
with torch.no_grad():
    pred = net(src, length, tgt).argmax(-1)
real = tgt != PAD
print("letter accuracy", (pred == tgt)[real].float().mean().item())
