"""Distill a teacher's features into a student, and report how close it comes."""
import torch
from torch import nn

torch.manual_seed(3)
teacher = nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 16)).requires_grad_(False)


class Student(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 16))
        self.scale = nn.Parameter(torch.ones(1))

    def embed(self, x):
        h = self.encoder(x)
        return torch.from_numpy(h.detach().numpy().copy())

    def forward(self, x):
        return self.scale * self.embed(x)


student = Student()
opt = torch.optim.Adam(student.parameters(), lr=2e-3)
for step in range(400):
    x = torch.randn(64, 20)
    loss = (student(x) - teacher(x)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 99:
        print(f"step {step + 1} mse {loss.item():.4f}")
