"""A small language model on a fused two-layer `nn.LSTM`; its state is carried from batch to batch."""

import torch
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(1)
WORDS, STEPS, BATCH, UNITS = 20, 25, 8, 16


class LanguageModel(nn.Module):
    """Predicts each next word."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, UNITS)
        self.lstm = nn.LSTM(UNITS, UNITS, num_layers=2, dropout=0.1)
        self.decoder = nn.Linear(UNITS, WORDS)

    def forward(self, words, state):
        out, state = self.lstm(self.embedding(words), state)
        return self.decoder(out), state


model = LanguageModel()
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
text = torch.arange(STEPS * 7 + 1).unsqueeze(1).add(torch.arange(BATCH)).remainder(WORDS)
state = None
for step in range(6):
    words = text[step * STEPS : (step + 1) * STEPS]
    following = text[step * STEPS + 1 : (step + 1) * STEPS + 1]
    logits, state = model(words, state)
    state = tuple(s.detach() for s in state)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), following.flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.25)
    optimizer.step()
    print(f"{loss.item():.6f}")
