import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)
V, L, D = 12, 10, 32


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.pos = nn.Embedding(V, D), nn.Embedding(L, D)
        layer = nn.TransformerEncoderLayer(D, 4, 64, dropout=0.0, batch_first=True, norm_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(D, V)

    def forward(self, t):
        return self.out(self.encoder(self.emb(t) + self.pos(torch.arange(L))))


def batch(n):
    t = torch.randint(0, V, (n, L))
    return t, t.roll(1, 1)  # say the token to the left


net = Tagger()
opt = torch.optim.Adam(net.parameters(), lr=0.6)
for it in range(250):
    t, y = batch(48)
    loss = nn.functional.cross_entropy(net(t).flatten(0, 1), y.flatten())
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 50 == 0:
        print(it, loss.item())
with torch.no_grad():
    t, y = batch(300)
    print("token accuracy", (net(t).argmax(-1) == y).float().mean().item())
