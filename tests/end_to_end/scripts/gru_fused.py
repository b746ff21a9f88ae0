"""A two-layer `nn.GRU` in both directions over packed sequences of different lengths."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.manual_seed(0)
torch.set_num_threads(1)
STEPS, BATCH, INPUTS, UNITS = 18, 12, 4, 10


class Tagger(nn.Module):
    """Tags every step of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(INPUTS, UNITS, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * UNITS, 3)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        out, _ = self.gru(packed)
        padded, _ = pad_packed_sequence(out, batch_first=True, total_length=STEPS)
        return self.head(padded)


model = Tagger()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(6):
    x = torch.randn(BATCH, STEPS, INPUTS)
    lengths = torch.randint(5, STEPS + 1, (BATCH,))
    tags = x[..., :3].argmax(-1)
    tags[torch.arange(STEPS) >= lengths.unsqueeze(1)] = -100
    loss = nn.functional.cross_entropy(model(x, lengths).transpose(1, 2), tags)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.6f}")
