import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(1)
TEXT = ("the quick brown fox jumps over the lazy dog. pack my box with five dozen liquor jugs. "
        "how vexingly quick daft zebras jump! sphinx of black quartz, judge my vow. ") * 60
chars = sorted(set(TEXT))
stoi = {c: i for i, c in enumerate(chars)}
data = torch.tensor([stoi[c] for c in TEXT])
SEQ, BATCH = 32, 16
usable = (len(data) - 1) // (SEQ * BATCH) * SEQ * BATCH
xs = data[:usable].view(BATCH, -1)
ys = data[1:usable + 1].view(BATCH, -1)


class CharRNN(nn.Module):
    def __init__(self, n, hidden=64):
        super().__init__()
        self.encoder = nn.Embedding(n, 24)
        self.rnn = nn.GRU(24, hidden, num_layers=2, dropout=0.1, batch_first=True)
        self.decoder = nn.Linear(hidden, n)

    def forward(self, x, h=None):
        out, h = self.rnn(self.encoder(x), h)
        return self.decoder(out), h


model = CharRNN(len(chars))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(8):
    hidden = None
    total = 0.0
    for i in range(0, xs.shape[1], SEQ):
        logits, hidden = model(xs[:, i:i + SEQ], hidden)
        hidden = hidden.detach()  # truncated backpropagation through time
        loss = criterion(logits.reshape(-1, len(chars)), ys[:, i:i + SEQ].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch} | loss {total / (xs.shape[1] // SEQ):.3f}")
model.eval()
with torch.no_grad():
    logits, _ = model(xs[:4])
    print("bits per char", criterion(logits.flatten(0, 1), ys[:4].flatten()).item() / 0.6931)
