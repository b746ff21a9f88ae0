"""Predict a model's signals and gradients from its structure and the sizes of its weights."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradmedic.errors import ProbeError
from gradmedic.interruption import let_through
from gradmedic.prediction import Prediction
from gradmedic.probe.feed import Call, calls, feed_of, roots_of
from gradmedic.probe.foretelling import foretold
from gradmedic.probe.survey import Survey, survey
from gradmedic.probe.undisturbed import undisturbed
from gradmedic.theory.initial import Init

Loss = str | Callable[..., Tensor]


def predict(
    model: nn.Module, batch: Any, *, init: Init | None = None, loss: Loss | None = None, recommend: bool = True
) -> Prediction:
    """What theory expects of a model before any training: every signal's size, and every gradient's.

    `batch` is what the model is called with (a tensor, a tuple of tensors, a dict of keywords), or
    only the shape of it: then nothing is computed at all where the model can run on torch's meta
    device. Weights have the sizes that they have now; `init` gives them others: "default" (torch's),
    "he", "xavier", "lecun", "orthogonal", "critical", a function of a `Place`, or a mapping from
    patterns of names. `loss` is "cross_entropy", "mse", "bce", "sum", or a function as for
    `examine`; without one, the gradient starts with norm one, spread evenly over the output. With
    `recommend` the prediction for the recommended initialization comes along.

    One forward pass, no backward pass, and a second one where operations have to be measured that theory
    has no rule for; the model, gradients, buffers, and random states are
    afterwards what they were. Raises `ProbeError` if the model cannot be run on the batch, and
    `TheoryError` if nobody knows the initialization.
    """
    with undisturbed(model), torch.enable_grad():
        model.train()
        seen = _surveyed(model, batch, loss)
        if init is None and any(parameter.is_meta for parameter in model.parameters()):
            init = "default"
        found = foretold(seen, init, recommend)
    return found.named(type(model).__name__, _name(loss))


def _surveyed(model: nn.Module, batch: Any, loss: Loss | None) -> Survey:
    target = None
    if callable(loss) and isinstance(batch, tuple | list) and len(batch) == 2 and isinstance(batch[1], Tensor):
        batch, target = batch
    first: Exception | None = None
    for call in calls(model, feed_of(batch)):
        try:
            data = [x for x in call.feed.tensors if x.requires_grad]
            return survey(model, partial(_roots, call, loss, target), data, call.stand_ins)
        except ProbeError:
            raise
        except Exception as error:
            let_through(error)
            first = first or error
    raise ProbeError(f"{type(model).__name__} cannot be run on such a batch: {_line(first)}") from first


def _line(error: Exception | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _roots(call: Call, loss: Loss | None, target: Tensor | None) -> Sequence[Tensor]:
    if callable(loss):
        if target is None:
            return roots_of(loss(call, call.feed.args[0] if call.feed.args else call.feed.kwargs))
        return roots_of(loss(call(), target.to("meta") if call.stand_ins is not None else target))
    output = roots_of(call())
    return output if loss is None else [_named(loss, output[0])]


def _named(loss: str, output: Tensor) -> Tensor:
    """A loss against targets that are drawn at random."""
    generator = torch.Generator().manual_seed(0)
    if loss == "sum":
        return output.sum()
    if loss == "mse":
        return F.mse_loss(output, torch.randn(output.shape, generator=generator).to(output))
    if loss == "bce":
        half = torch.randint(2, output.shape, generator=generator)
        return F.binary_cross_entropy_with_logits(output, half.to(output))
    if loss != "cross_entropy":
        raise ProbeError(f"loss {loss!r} is none of cross_entropy, mse, bce, sum, and no function")
    # Classes are the second dimension of pictures, else the last.
    rows = output if output.dim() in (2, 4, 5) else output.flatten(0, -2)
    target = torch.randint(rows.shape[1], (rows.shape[0], *rows.shape[2:]), generator=generator)
    return F.cross_entropy(rows, target.to(output.device))


def _name(loss: Loss | None) -> str:
    if loss is None:
        return ""
    return loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
