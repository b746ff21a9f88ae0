import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(0)
V, L, D, PAD = 20, 14, 32, 0


class Classifier(nn.Module):
    """Which of tokens 1 and 2 occurs more often? Sequences have different lengths."""

    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(V, D, padding_idx=PAD)
        self.pos = nn.Parameter(0.02 * torch.randn(L, D))
        layer = nn.TransformerEncoderLayer(D, nhead=4, dim_feedforward=64, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.cls = nn.Linear(D, 2)

    def forward(self, t):
        pad = t == PAD
        h = self.encoder(self.emb(t) + self.pos, src_key_padding_mask=pad)
        h = h.masked_fill(pad.unsqueeze(-1), 0.0).sum(1) / (~pad).sum(1, keepdim=True)
        return self.cls(h)


def batch(n):
    t = torch.randint(3, V, (n, L))
    t[torch.rand(n, L) < 0.25] = 1
    t[torch.rand(n, L) < 0.25] = 2
    length = torch.randint(6, L + 1, (n, 1))
    t[torch.arange(L) >= length] = PAD
    diff = (t == 1).sum(1) - (t == 2).sum(1)
    t[diff == 0, 0] = 1
    return t, ((t == 1).sum(1) > (t == 2).sum(1)).long()


net = Classifier()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
for it in range(300):
    t, y = batch(64)
    opt.zero_grad()
    loss = nn.functional.cross_entropy(net(t), y)
    loss.backward()
    opt.step()
    if it % 60 == 0:
        print(it, round(loss.item(), 4))
net.eval()
with torch.no_grad():
    t, y = batch(1000)
    print("accuracy", (net(t).argmax(1) == y).float().mean().item())
