import math
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(12)


class Block(nn.Module):
    def __init__(self, d=64, heads=4):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.ff = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.n1(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=float(d))
        x = x + self.proj(a.transpose(1, 2).reshape(b, t, d))
        return x + self.ff(self.n2(x))


class Copy(nn.Module):
    def __init__(self, vocab=16, d=64, length=24):
        super().__init__()
        self.tok, self.pos = nn.Embedding(vocab, d), nn.Parameter(0.02 * torch.randn(length, d))
        self.blocks = nn.Sequential(Block(), Block())
        self.head = nn.Linear(d, vocab)

    def forward(self, s):
        return self.head(self.blocks(self.tok(s) + self.pos[: s.shape[1]]))


net = Copy()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
for step in range(350):
    first = torch.randint(0, 16, (32, 12))
    s = torch.cat([first, first], 1)
    logits = net(s[:, :-1])
    loss = F.cross_entropy(logits[:, 11:].reshape(-1, 16), s[:, 12:].reshape(-1))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 50 == 49:
        print(step + 1, loss.item())
