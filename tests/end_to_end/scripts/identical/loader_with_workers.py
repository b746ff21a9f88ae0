import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

if __name__ == "__main__":
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.randn(64, 4)
    loader = DataLoader(TensorDataset(x, x[:, :1]), batch_size=16, shuffle=True, num_workers=2)
    for epoch in range(2):
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = (model(inputs) - targets).pow(2).mean()
            loss.backward()
            optimizer.step()
            print(epoch, loss.item())
