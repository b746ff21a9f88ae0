"""A sequence classifier that steps an `nn.LSTMCell` through time itself."""

import torch
from torch import nn
from torch.nn import functional

torch.manual_seed(0)
torch.set_num_threads(1)
STEPS, BATCH, INPUTS, UNITS = 20, 16, 4, 12


class Classifier(nn.Module):
    """Reads a sequence and answers after its last step."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(INPUTS, UNITS)
        self.head = nn.Linear(UNITS, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = c = torch.zeros(x.shape[1], UNITS)
        for x_t in x:
            h, c = self.cell(x_t, (h, c))
        return self.head(h)


model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(6):
    x = torch.randn(STEPS, BATCH, INPUTS)
    target = (x[-1, :, 0] > 0).long()
    loss = functional.cross_entropy(model(x), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.6f}")
