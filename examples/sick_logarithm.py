"""A hand-written cross-entropy on scikit-learn's digits that is fine for a while, and then is not."""

import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.data / 16, dtype=torch.float32)
targets = nn.functional.one_hot(torch.tensor(digits.target), 10).float()

model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

for epoch in range(40):
    for batch in torch.randperm(len(images)).split(64):
        probabilities = torch.softmax(model(images[batch]), dim=1)
        loss = -(targets[batch] * torch.log(probabilities)).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss:.4f}")
