"""Predict a model's signals and gradients from its structure and the sizes of its weights."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import isnan
from typing import Any

import torch
from torch import Tensor, nn

from gradmedic.base.errors import ProbeError
from gradmedic.base.interruption import let_through
from gradmedic.base.messages import Message
from gradmedic.prediction.model_input import ModelCall, calls, feed_of, roots_of
from gradmedic.prediction.prediction import MUCH, Prediction
from gradmedic.prediction.script_prediction import foretold
from gradmedic.prediction.survey import Survey, survey
from gradmedic.probe.preserved_state import undisturbed
from gradmedic.probe.targets import LOSSES, drawn, named, with_values
from gradmedic.theory.plan.initializations import Init

Loss = str | Callable[..., Tensor]


UNTOLD = 0.4
"""Decades by which gradients are off where targets are others than those that were drawn: of Zipf's law, say."""


def predict(
    model: nn.Module,
    batch: Any,
    loss: Loss | None = None,
    *,
    targets: Tensor | None = None,
    init: Init | None = None,
    recommend: bool = True,
    decades: float = MUCH,
) -> Prediction:
    """What theory expects of a model before any training: every signal's size, and every gradient's.

    `batch` is what the model is called with (a tensor, a tuple of tensors, a dict of keywords), or
    only the shape of it: then nothing is computed at all where the model can run on torch's meta
    device. `loss` is "cross_entropy", "mse", "bce", "sum", or a function as for `examine`, with
    inputs and targets for a batch; without one, the gradient starts with norm one, spread evenly
    over the output. `targets` are those of a named loss, or of a function of output and targets:
    how often each class is asked for makes a difference. Where they are not known random ones
    are taken, and the prediction says so.

    Weights have the sizes that they have now; `init` gives them others: "default" (torch's),
    "he", "xavier", "lecun", "orthogonal", "critical", a function of a `Place`, or a mapping from
    patterns of names. With `recommend` the prediction for the recommended initialization comes along.
    A gradient that changes by more than so many `decades` counts as vanishing or exploding.

    One forward pass, no backward pass, and a second one where operations have to be measured that theory has no
    rule for; the model, gradients, buffers, and random states are afterwards what they were. Raises `ProbeError`
    if the model cannot be run on the batch, and `TheoryError` if nobody knows the initialization.
    """
    if isinstance(loss, str) and loss not in (*LOSSES, "sum"):
        raise ProbeError(f"loss {loss!r} is none of cross_entropy, mse, bce, sum, and no function")
    with undisturbed(model), torch.enable_grad():
        model.train()
        seen = surveyed(model, batch, loss, targets)
        if init is None and any(parameter.is_meta for parameter in model.parameters()):
            init = "default"
        found = foretold(seen, init, recommend)
    if targets is None and loss in LOSSES:
        found = found.doubted(UNTOLD, Message("Targets are not known: gradients are those of random ones."))
    return found.named(type(model).__name__, name_of(loss)).judged_by(decades)


def surveyed(model: nn.Module, batch: Any, loss: Loss | None, target: Tensor | None) -> Survey:
    """The survey of a model on a batch, or on the shape of one; raises `ProbeError` where it cannot be run on it."""
    pair = isinstance(batch, tuple | list) and len(batch) == 2 and isinstance(batch[1], Tensor)
    if callable(loss) and target is None and pair:
        batch, target = batch
    first: Exception | None = None
    blank: Survey | None = None
    for call in calls(model, feed_of(batch)):
        try:
            data = [x for x in call.feed.tensors if x.requires_grad]
            found = survey(model, partial(_roots, call, loss, target), data, call.stand_ins)
            found = replace(found, plan=with_values(found.plan, target))
            if not _is_blank(found):
                return found
            blank = blank or found
        except ProbeError:
            raise
        except Exception as error:
            let_through(error)
            first = first or error
    if blank is not None:
        return blank
    raise ProbeError(f"{type(model).__name__} cannot be run on such a batch: {_line(first)}") from first


def _is_blank(found: Survey) -> bool:
    """True where numbers that the model makes itself, such as a causal mask, are known by their shape alone."""
    constants = (it for step in found.plan.steps for it in step.attributes.get("constants", {}).values())
    return any(isnan(constant.law.square) for constant in constants)


def _line(error: Exception | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _roots(call: ModelCall, loss: Loss | None, target: Tensor | None) -> Sequence[Tensor]:
    if callable(loss):
        if target is None:
            return roots_of(loss(call, call.feed.args[0] if call.feed.args else call.feed.kwargs))
        return roots_of(loss(call(), target.to("meta") if call.stand_ins is not None else target))
    output = roots_of(call())
    if loss is None:
        return output
    if loss == "sum":
        return [output[0].sum()]
    return [named(loss, output[0], drawn(loss, output[0]) if target is None else target)]


def name_of(loss: Loss | None) -> str:
    """What a loss is called."""
    if loss is None:
        return ""
    return loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
