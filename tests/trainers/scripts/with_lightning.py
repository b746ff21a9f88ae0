import sys

import lightning.pytorch as pl
import torch
from network import network, points, say_weights
from torch import nn


class Task(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = network()

    def training_step(self, batch, _):
        x, y = batch
        return nn.functional.cross_entropy(self.net(x), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


callbacks = []
if "callback" in sys.argv:
    from gradmedic.integrations.lightning import GradmedicCallback

    callbacks = [GradmedicCallback()]
task = Task()
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*points()), batch_size=32)
quiet = {"enable_progress_bar": False, "enable_checkpointing": False, "enable_model_summary": False, "logger": False}
pl.Trainer(max_epochs=4, accelerator="cpu", gradient_clip_val=1.0, callbacks=callbacks, **quiet).fit(task, data)
say_weights(task.parameters())
