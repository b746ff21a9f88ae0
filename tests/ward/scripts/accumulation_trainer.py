from dataclasses import dataclass, field
from typing import Optional

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset


@dataclass
class TrainingArguments:
    learning_rate: float = 3e-3
    num_train_epochs: int = 6
    per_device_train_batch_size: int = 8
    gradient_accumulation_steps: int = 4
    max_grad_norm: float = 1.0
    warmup_steps: int = 20
    seed: int = 42


@dataclass
class ModelOutput:
    logits: torch.Tensor
    loss: Optional[torch.Tensor] = None
    hidden_states: list = field(default_factory=list)


class DigitsDataset(Dataset):
    def __init__(self, lo, hi):
        d = load_digits()
        self.rows = [{"inputs": torch.tensor(x / 16.0).float(), "labels": int(t)} for x, t in zip(d.data[lo:hi], d.target[lo:hi])]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


class DigitsForClassification(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.embed = nn.Linear(64, hidden)
        self.layers = nn.ModuleList(nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, hidden), nn.GELU()) for _ in range(3))
        self.classifier = nn.Linear(hidden, 10)

    def forward(self, inputs, labels=None):
        h = self.embed(inputs)
        states = [h]
        for layer in self.layers:
            h = h + layer(h)
            states.append(h)
        logits = self.classifier(h)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return ModelOutput(logits, loss, states)


class Trainer:
    def __init__(self, model, args, train_dataset, eval_dataset):
        self.model, self.args, self.train_dataset, self.eval_dataset = model, args, train_dataset, eval_dataset
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda s: min(1.0, (s + 1) / args.warmup_steps))

    def train(self):
        loader = DataLoader(self.train_dataset, batch_size=self.args.per_device_train_batch_size, shuffle=True)
        for epoch in range(self.args.num_train_epochs):
            self.model.train()
            for step, batch in enumerate(loader):
                loss = self.model(**batch).loss / self.args.gradient_accumulation_steps
                loss.backward()
                if (step + 1) % self.args.gradient_accumulation_steps == 0:
                    nn.utils.clip_grad_norm_(self.model.parameters(), self.args.max_grad_norm)
                    self.optimizer.step()
                    self.scheduler.step()
                    self.model.zero_grad()
            print({"epoch": epoch, "loss": loss.item() * self.args.gradient_accumulation_steps})

    @torch.no_grad()
    def evaluate(self):
        self.model.eval()
        hits = [(self.model(b["inputs"]).logits.argmax(1) == b["labels"]).float() for b in DataLoader(self.eval_dataset, 100)]
        return torch.cat(hits).mean().item()


def main():
    args = TrainingArguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    trainer = Trainer(DigitsForClassification(), args, DigitsDataset(0, 1400), DigitsDataset(1400, 1797))
    trainer.train()
    print("eval accuracy", trainer.evaluate())


if __name__ == "__main__":
    main()
