"""A recurrent net that is to remember its first input over 80 steps: the gradient fades on the way back."""

import torch
from torch import nn

torch.manual_seed(0)


class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.RNN(2, 32, batch_first=True)
        self.head = nn.Linear(32, 2)

    def forward(self, sequence):
        states, _ = self.cell(sequence)
        return self.head(states[:, -1])


net = Memory()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

for _ in range(200):
    labels = torch.randint(2, (32,))
    sequence = 0.1 * torch.randn(32, 80, 2)
    sequence[:, 0] = nn.functional.one_hot(labels, 2).float()
    loss = nn.functional.cross_entropy(net(sequence), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}, a guess costs 0.693")
