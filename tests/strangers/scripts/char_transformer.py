import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(54)
text = ("the cat sat on the mat and the dog lay by the door while rain fell on the roof . " * 60)
chars = sorted(set(text))
data = torch.tensor([chars.index(c) for c in text])


class LM(nn.Module):
    def __init__(self, v, d=64):
        super().__init__()
        self.tok, self.pos = nn.Embedding(v, d), nn.Embedding(32, d)
        layer = nn.TransformerEncoderLayer(d, 4, 128, 0.0, batch_first=True, norm_first=True, activation="gelu")
        self.body, self.norm = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.LayerNorm(d)
        self.head = nn.Linear(d, v, bias=False)
        self.head.weight = self.tok.weight
        nn.init.normal_(self.tok.weight, std=0.02)
        nn.init.normal_(self.pos.weight, std=0.02)

    def forward(self, s):
        mask = nn.Transformer.generate_square_subsequent_mask(s.shape[1])
        return self.head(self.norm(self.body(self.tok(s) + self.pos.weight[: s.shape[1]], mask, is_causal=True)))


net = LM(len(chars))
opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.1, betas=(0.9, 0.95))
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 2e-3, total_steps=200)
for step in range(200):
    at = torch.randint(0, len(data) - 33, (16,))
    s = torch.stack([data[i : i + 33] for i in at])
    loss = F.cross_entropy(net(s[:, :-1]).flatten(0, 1), s[:, 1:].flatten())
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    sched.step()
    if step % 50 == 49:
        print(step + 1, loss.item())
