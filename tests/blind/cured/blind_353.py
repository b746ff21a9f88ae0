import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(0)
NOTES, LEN = 60, 16
# melodies: from every note there are three likely next ones, chosen by the note before too
follow = torch.stack([torch.randperm(NOTES)[:3] for _ in range(NOTES)])


def melodies(n):
    out = [torch.randint(0, NOTES, (n,))]
    for t in range(LEN):
        kind = torch.multinomial(torch.tensor([0.8, 0.15, 0.05]), n, replacement=True)
        out.append(follow[out[-1], kind])
    return torch.stack(out, 1)


class MelodyModel(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.emb = nn.Embedding(NOTES, 24)
        self.lstm = nn.LSTM(24, d, batch_first=True)
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(d, NOTES)

    def scores(self, x):
        h, _ = self.lstm(self.emb(x))
        return self.out(self.drop(h))

    def forward(self, x):
        return torch.log_softmax(self.scores(x), dim=-1)


train, test = melodies(1500), melodies(300)
model = MelodyModel()
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
criterion = nn.NLLLoss()
for epoch in range(7):
    model.train()
    total = 0.0
    for i in torch.randperm(1500).split(30):
        seq = train[i]
        probs = model(seq[:, :-1])
        loss = criterion(probs.flatten(0, 1), seq[:, 1:].flatten())
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    print("epoch", epoch, "loss", total / 50)
model.eval()
with torch.no_grad():
    scores = model.scores(test[:, :-1])
    perplexity = nn.functional.cross_entropy(scores.flatten(0, 1), test[:, 1:].flatten()).exp()
print("test perplexity", perplexity.item())
