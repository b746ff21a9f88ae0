"""Targets of mean zero and spread one, with predictions in the script's own units."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import FunctionCall, Patient, PendingBackward
from gradmedic.treatment.patient.tensor_origins import RESHAPES, Origins, TensorOrigin
from gradmedic.treatment.remedies import Alters, Remedy

DISTANCES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
RAW = 10.0
"""Size of a target from which it counts as being in raw units."""


@dataclass(frozen=True)
class StandardizeTargets(Remedy):
    """
    ## What it does
    Trains the network on targets of mean zero and spread one, and scales what it puts out back: predictions
    stay in the script's units. Mean and spread are those of the first batch of targets, fixed afterwards. The
    loss may be one of torch's, or begin with a difference of output and target that is written by hand.

    ## When it helps
    When targets, or the returns of a critic, come in raw units under a squared error: prices of 300 000 have
    gradients of their own size times the error, which no usual learning rate survives.

    ## How the dose is chosen
    There is none. It looks for comparisons of what an outermost module puts out with data.

    ## References
    - LeCun et al., Efficient BackProp, 1998
    - van Hasselt et al., [Learning values across many orders of magnitude](https://arxiv.org/abs/1602.07714), 2016
    """

    name: ClassVar[str] = "standardize-targets"
    cures: ClassVar[tuple[str, ...]] = ("exploding-gradient", "learning-rate-too-high", "loss-mismatch")
    alters: ClassVar[Alters] = Alters.MODEL
    redefines_loss: ClassVar[bool] = True

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if any(size > RAW for size in _targets(recording)) or _misses_by_far(recording):
            yield cls()

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        book = _Book()

        def reshaped(call: FunctionCall) -> Any:
            result = call.proceed()
            book.origins.carry(call, result)
            return result

        def forgetting(one: PendingBackward) -> Any:
            book.origins.clear()
            return one.proceed()

        with (
            patient.on_outputs(("",), book.put_out),
            patient.around_operations(tuple(RESHAPES), reshaped),
            patient.around_operations((*DISTANCES, "sub"), book.compared),
            patient.around_backward(forgetting),
        ):
            yield

    def code(self) -> str:
        return (
            "# when the data set is made, with the numbers of the training set\n"
            "mean, std = y_train.mean(), y_train.std()\n"
            "y_train = (y_train - mean) / std\n"
            "# and where predictions are wanted in their own units\n"
            "prediction = model(x) * std + mean"
        )


def _targets(recording: Recording) -> Iterator[float]:
    """The sizes of the ends of all targets that were seen."""
    for capture in recording.captures:
        for row in capture.sites.values():
            yield from (abs(row[end]) for end in ("target_min", "target_max") if end in row)


def _misses_by_far(recording: Recording) -> bool:
    """True where a loss that is written by hand begins with huge squares."""
    by_hand = {site.stream for site in recording.sites.values() if site.tail and site.op in ("sub", "pow")}
    firsts = [loss for stream in by_hand for _, loss in recording.losses(stream)[:1]]
    return any(loss > RAW**2 for loss in firsts)


@dataclass
class _Book:
    """The units of each output, and which tensors are outputs."""

    units: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    origins: Origins = field(default_factory=Origins)

    def put_out(self, _: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
        """Scale outputs back to the script's units."""
        if isinstance(output, Tensor):
            return self._scaled_back(0, output)
        if type(output) in (tuple, list):
            return type(output)(self._scaled_back(at, one) for at, one in enumerate(output))
        return False

    def _scaled_back(self, at: int, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        raw = value.view_as(value)  # told apart from the network's own tensor, which may be an output itself
        mean, spread = self.units.get(at, (0.0, 1.0))
        result = raw * spread + mean if at in self.units else raw
        self.origins.note(result, TensorOrigin("output", raw, at))
        return result

    def compared(self, call: FunctionCall) -> Any:
        """Compare an output with its target in standard units."""
        values = [*call.args, call.kwargs.get("target")][:2]
        origins = [self.origins.of(value) for value in values]
        which = next((at for at, origin in enumerate(origins) if origin is not None and origin.op == "output"), None)
        if which is None or len(values) < 2:
            return call.proceed()
        origin, target = origins[which], values[1 - which]
        if origin is None or not isinstance(target, Tensor) or target.requires_grad or not values[which].requires_grad:
            return call.proceed()
        mean, spread = self.units.setdefault(origin.dim or 0, _units(target))
        pair = [origin.before(), (target - mean) / spread]
        args = pair if which == 0 else pair[::-1]
        return replace(call, args=(*args, *call.args[2:]), kwargs=_without(call.kwargs, "target")).proceed()


def _units(target: Tensor) -> tuple[Tensor, Tensor]:
    numbers = target.detach().float()
    spread = numbers.std() if numbers.numel() > 1 else torch.ones(())
    return numbers.mean(), spread.clamp(min=1e-6)


def _without(table: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != key}
