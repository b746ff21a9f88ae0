"""Twelve sigmoid layers on scikit-learn's digits: ordinary code, and it does not learn. Why?"""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Classifier(nn.Module):
    def __init__(self, width: int = 64, depth: int = 12) -> None:
        super().__init__()
        self.first = nn.Linear(64, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.sigmoid(self.first(x))
        for layer in self.hidden:
            x = torch.sigmoid(layer(x))
        return self.head(x)


digits = load_digits()
images, test_images, labels, test_labels = train_test_split(
    torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target), test_size=0.2, random_state=0
)
loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)
model = Classifier()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()

for epoch in range(10):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (model(test_images).argmax(1) == test_labels).float().mean()
    print(f"epoch {epoch}: loss {loss:.4f}, test accuracy {accuracy:.1%}")
