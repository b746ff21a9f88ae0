"""Weight decay: weights that shrink a little at each step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import torch
from torch.optim import SGD, AdamW, Optimizer

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class WeightDecay(Remedy):
    """
    ## What it does
    Shrinks all weight matrices by learning rate x `rate` at each step. SGD and AdamW do that themselves, by
    their `weight_decay`; for Adam and others it is done beside the step (decoupled), because an L2 term that
    goes through Adam's division is weakest just where gradients are large.

    ## When it helps
    Slowly, and least of all remedies against explosion: it changes no gradient when training begins, and a
    network of 20 layers needs some 2300 steps at usual rates to pass on a tenth. It bounds weights that
    grow without end, it shortens the memory of a recurrent network, and under normalization it *raises*
    gradients and effective steps. It never helps against vanishing.

    ## How the dose is chosen
    Only for losses that leap and for what grows over the steps of training. 0.01, the habit of AdamW; 0.1, that
    of language models.

    ## References
    - Loshchilov and Hutter, [Decoupled Weight Decay Regularization](https://arxiv.org/abs/1711.05101), 2019
    - van Laarhoven, [L2 Regularization versus Batch and Weight Normalization](https://arxiv.org/abs/1706.05350), 2017
    """

    name: ClassVar[str] = "weight-decay"
    cures: ClassVar[tuple[str, ...]] = ("loss-spike", "exploding-gradient")
    alters: ClassVar[Alters] = Alters.UPDATE

    rate: float
    """What the learning rate is multiplied by to give the share that is taken away."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if finding.rule == "loss-spike" or "decades_of_loss" in finding.evidence:  # what grows with the weights
            yield from map(cls, (0.01, 0.1))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        with patient.around_steps(self._decay):
            yield

    def _decay(self, optimizer: Optimizer) -> Callable[[], None] | None:
        if type(optimizer) in (SGD, AdamW):
            before = [group["weight_decay"] for group in optimizer.param_groups]
            for group in optimizer.param_groups:
                group["weight_decay"] = self.rate
            return partial(_put_back, optimizer, before)
        with torch.no_grad():
            for group in optimizer.param_groups:
                for weight in group["params"]:
                    if weight.grad is not None and weight.dim() > 1:
                        weight.mul_(1 - float(group["lr"]) * self.rate)
        return None

    def code(self) -> str:
        return (
            "# behind the line that makes the optimizer; in the place of Adam write AdamW\n"
            "for group in optimizer.param_groups:\n"
            f'    group["weight_decay"] = {self.rate:.3g}'
        )


def _put_back(optimizer: Optimizer, rates: list[Any]) -> None:
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["weight_decay"] = rate
