"""CLIP-style training: digit images against random 'captions'; many pairs of a batch share the class, so the loss has a high floor."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(23)
d = load_digits()
X = torch.tensor(d.images / 16).float().unsqueeze(1)
y = torch.tensor(d.target)
perm = torch.randperm(len(X))
X, y = X[perm], y[perm]
WORDS = 200
class_words = torch.randperm(WORDS)[:60].view(10, 6)


def caption(labels):
    # two telling words and six that say nothing
    tell = class_words[labels].gather(1, torch.randint(6, (len(labels), 2)))
    return torch.cat([tell, torch.randint(WORDS, (len(labels), 6))], 1)


class ImageTower(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, stride=2, padding=1)
        self.proj = nn.Linear(24 * 16, dim)

    def forward(self, x):
        x = F.gelu(self.conv1(x))
        x = F.gelu(self.conv2(x))
        return F.normalize(self.proj(x.flatten(1)), dim=1)


class TextTower(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.bag = nn.EmbeddingBag(WORDS, 64, mode="mean")
        self.proj = nn.Linear(64, dim)

    def forward(self, ids):
        return F.normalize(self.proj(self.bag(ids)), dim=1)


image, text = ImageTower(24), TextTower(24)
log_scale = nn.Parameter(torch.tensor(2.0))
params = [*image.parameters(), *text.parameters(), log_scale]
opt = torch.optim.Adam(params, lr=4e-3)
for it in range(350):
    idx = torch.randint(1300, (96,))
    logits = log_scale.exp() * image(X[idx]) @ text(caption(y[idx])).T
    target = torch.arange(96)
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    opt.zero_grad()
    loss.backward()
    opt.step()
    log_scale.data.clamp_(0, 4.6)
    if it % 50 == 0:
        print(it, loss.item(), log_scale.exp().item())
with torch.no_grad():
    proto = torch.stack([text(caption(torch.full((200,), c))).mean(0) for c in range(10)])
    acc = ((image(X[1300:]) @ proto.T).argmax(1) == y[1300:]).float().mean().item()
print("zero-shot accuracy", acc)
