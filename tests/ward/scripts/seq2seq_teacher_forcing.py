import random
import torch
import torch.nn as nn

random.seed(0)
torch.manual_seed(0)
torch.set_num_threads(1)
SOS, V, L = 0, 12, 7


class Encoder(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.embedding = nn.Embedding(V, d)
        self.gru = nn.GRU(d, d, batch_first=True)

    def forward(self, x):
        return self.gru(self.embedding(x))


class AttnDecoder(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.embedding = nn.Embedding(V, d)
        self.cell = nn.GRUCell(2 * d, d)
        self.W = nn.Linear(d, d, bias=False)
        self.out = nn.Linear(2 * d, V)

    def forward(self, token, h, memory):
        weights = torch.bmm(memory, self.W(h).unsqueeze(2)).squeeze(2).softmax(1)
        context = torch.bmm(weights.unsqueeze(1), memory).squeeze(1)
        h = self.cell(torch.cat([self.embedding(token), context], 1), h)
        return self.out(torch.cat([h, context], 1)), h


def decode(memory, h, target, ratio):
    token = torch.full((len(target),), SOS)
    logits = []
    for t in range(target.shape[1]):
        step, h = decoder(token, h, memory)
        logits.append(step)
        token = target[:, t] if random.random() < ratio else step.argmax(1).detach()
    return torch.stack(logits, 1)


encoder, decoder = Encoder(48), AttnDecoder(48)
enc_opt = torch.optim.Adam(encoder.parameters(), lr=4e-3)
dec_opt = torch.optim.Adam(decoder.parameters(), lr=4e-3)
for it in range(280):
    src = torch.randint(1, V, (48, L))
    tgt = src.flip(1)
    enc_opt.zero_grad()
    dec_opt.zero_grad()
    memory, h = encoder(src)
    loss = nn.functional.cross_entropy(decode(memory, h[-1], tgt, 0.6).flatten(0, 1), tgt.flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(encoder.parameters()) + list(decoder.parameters()), 1.0)
    enc_opt.step()
    dec_opt.step()
    if it % 40 == 0:
        print("iteration", it, "loss", loss.item())
with torch.no_grad():
    src = torch.randint(1, V, (400, L))
    memory, h = encoder(src)
    pred = decode(memory, h[-1], src.flip(1), 0.0).argmax(-1)
print("token accuracy", (pred == src.flip(1)).float().mean().item())
