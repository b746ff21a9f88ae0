import sys
import tempfile

from network import network, points, say_weights
from torch import nn
from transformers import Trainer, TrainingArguments


class Task(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = network()

    def forward(self, x, labels):
        logits = self.net(x)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


callbacks = []
if "callback" in sys.argv:
    from gradmedic.integrations.transformers import GradmedicCallback

    callbacks = [GradmedicCallback()]
task = Task()
quiet = {"report_to": [], "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True}
how = {"num_train_epochs": 4, "per_device_train_batch_size": 32, "learning_rate": 1e-2, "use_cpu": True, **quiet}
with tempfile.TemporaryDirectory() as folder:
    rows = [{"x": x, "labels": y} for x, y in zip(*points(), strict=True)]
    Trainer(task, TrainingArguments(folder, **how), train_dataset=rows, callbacks=callbacks).train()
say_weights(task.parameters())
