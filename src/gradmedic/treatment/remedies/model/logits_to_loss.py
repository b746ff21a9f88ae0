"""Losses that get logits where they want logits, whatever the model puts out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import FunctionCall, Patient, PendingBackward
from gradmedic.treatment.patient.tensor_origins import RESHAPES, Origins, TensorOrigin
from gradmedic.treatment.remedies import Alters, Remedy

SQUASHING = ("softmax", "sigmoid", "hardsigmoid", "tanh", "relu", "relu6")
CUTTING = ("clamp", "hardtanh")
LOGARITHMS = ("log", "log_softmax", "log_sigmoid")
WANT_LOGITS = ("cross_entropy", "log_softmax", "logsumexp", "binary_cross_entropy_with_logits")
WANT_LOGARITHMS = ("nll_loss", "kl_div")


@dataclass(frozen=True)
class LogitsToLoss(Remedy):
    """
    ## What it does
    Gives the loss what it asks for: to cross-entropy and to binary cross-entropy with logits, what stood before
    the last softmax or sigmoid; to the negative log-likelihood, the log-softmax of what it got; binary
    cross-entropy of something that is no probability is computed from logits. All other uses of the output,
    such as evaluation, see the probabilities that they have always seen.

    ## When it helps
    When a softmax or a sigmoid stands in front of a loss that contains one. Behind a second softmax ten
    classes get 0.23 at most, behind a second sigmoid a probability lies between 0.5 and 0.73, and gradients
    are small everywhere. When raw numbers go into `nll_loss`, which then falls forever and means nothing.

    ## How the dose is chosen
    There is none.

    ## References
    - PyTorch, [CrossEntropyLoss](https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html)
    - Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, 1990
    """

    name: ClassVar[str] = "logits-to-loss"
    cures: ClassVar[tuple[str, ...]] = ("loss-mismatch",)
    alters: ClassVar[Alters] = Alters.MODEL
    mends: ClassVar[tuple[str, ...]] = ("loss-mismatch",)
    redefines_loss: ClassVar[bool] = True

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if {"best_loss", "input_max", "feeds"} & finding.evidence.keys():
            yield cls()

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        origins = Origins()

        def squashed(call: FunctionCall) -> Any:
            operand, result = call.operand, call.proceed()
            if isinstance(operand, Tensor) and not call.in_place:
                origins.note(result, TensorOrigin(call.op, operand, _dim(call)))
            return result

        def reshaped(call: FunctionCall) -> Any:
            result = call.proceed()
            origins.carry(call, result)
            return result

        def fed(call: FunctionCall) -> Any:
            origin = origins.of(call.operand)
            if call.op in WANT_LOGITS:
                return call.on(origin.before()) if origin is not None and origin.op in SQUASHING else call.proceed()
            return _likelihood(call, origin) if call.op in WANT_LOGARITHMS else _binary(call, origin)

        def forgetting(one: PendingBackward) -> Any:
            origins.clear()
            return one.proceed()

        with (
            patient.around_operations((*SQUASHING, *CUTTING, *LOGARITHMS), squashed),
            patient.around_operations(tuple(RESHAPES), reshaped),
            patient.around_operations((*WANT_LOGITS, *WANT_LOGARITHMS, "binary_cross_entropy"), fed),
            patient.around_backward(forgetting),
        ):
            yield

    def code(self) -> str:
        return (
            "# leave out the softmax, or the sigmoid, behind the last layer of the model\n"
            "loss = torch.nn.functional.cross_entropy(model(x), y)  # contains the softmax\n"
            "# two classes: torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)"
        )


def _likelihood(call: FunctionCall, origin: TensorOrigin | None) -> Any:
    """A negative log-likelihood, of logarithms whatever it is given."""
    operand: Tensor = call.operand
    if origin is not None and origin.op in LOGARITHMS:
        return call.proceed()
    if origin is not None and (logarithm := origin.logarithm()) is not None:
        return call.on(logarithm)
    if float(operand.detach().max()) <= 0:  # may well be logarithms
        return call.proceed()
    return call.on(torch.log_softmax(operand, 1 if operand.dim() > 1 else 0))


def _binary(call: FunctionCall, origin: TensorOrigin | None) -> Any:
    """Binary cross-entropy, of logits where it is given what is no probability."""
    if origin is None or origin.op in ("sigmoid", "hardsigmoid", "softmax"):
        return call.proceed()
    options = {key: call.kwargs[key] for key in ("weight", "reduction") if call.kwargs.get(key) is not None}
    return F.binary_cross_entropy_with_logits(origin.before(), call.args[1], **options)


def _dim(call: FunctionCall) -> int | None:
    """The dimension that a softmax goes along."""
    dim = call.kwargs.get("dim", call.args[1] if len(call.args) > 1 else None)
    return dim if isinstance(dim, int) else None
