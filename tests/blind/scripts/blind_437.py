"""Text-like sequences, GRU classifier; Adam with a learning rate of 0.5."""
import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(36)
V, L = 50, 14


def batch(n):
    ids = torch.randint(0, V, (n, L))
    y = (ids < 10).sum(1) > (ids >= 40).sum(1)
    return ids, y.long()


class GRUClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(V, 16)
        self.gru = nn.GRU(16, 32, batch_first=True)
        self.fc = nn.Linear(32, 2)

    def forward(self, ids):
        out, h = self.gru(self.emb(ids))
        return self.fc(out.mean(1))


model = GRUClassifier()
optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
criterion = nn.CrossEntropyLoss()
for step in range(400):
    ids, y = batch(64)
    optimizer.zero_grad()
    loss = criterion(model(ids), y)
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print("step", step, "loss", loss.item())
model.eval()
ids, y = batch(2000)
with torch.no_grad():
    print("accuracy", (model(ids).argmax(1) == y).float().mean().item())
