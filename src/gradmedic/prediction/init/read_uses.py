"""How the weights of a model are used, read off one forward pass; or guessed where there can be none."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gradmedic.base.errors import InitError
from gradmedic.base.interruption import let_through
from gradmedic.base.messages import Message
from gradmedic.prediction.init.input_guesses import guesses
from gradmedic.prediction.init.module_structure import by_structure
from gradmedic.prediction.init.recurrent import steps_counted
from gradmedic.prediction.model_input import Feed, candidates, feed_of, filled
from gradmedic.prediction.survey import survey
from gradmedic.probe.preserved_state import undisturbed
from gradmedic.theory.plan.parameter_uses import GainUse, WeightUse, uses_of

LARGE = 1 << 30
"""Bytes of parameters from which a model is not copied."""


@dataclass(frozen=True)
class Reading:
    """The uses of weights and of gains, by the names of parameters, and how they were found out."""

    how: Message
    weights: Mapping[str, WeightUse] = field(default_factory=dict)
    gains: Mapping[str, GainUse] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)
    """Time steps that went through each recurrent module."""
    feed: Feed | None = None
    """What the model was run on, if values went through it."""


def read(model: nn.Module, batch: Any = None) -> Reading:
    """Read the uses of all weights off the graph of one forward pass.

    With a batch the model itself is run on it. With only its shape, or with none at all where the shape can be
    guessed from the model, a copy without numbers is. Else the order of the modules has to tell.
    """
    if batch is None:
        return _guessed(model)
    feed = batch if isinstance(batch, Feed) else feed_of(batch)
    if not feed.only_shapes:
        return _read(model, feed, Message("whose uses the batch has shown"), feed)
    shape = tuple(next(feed.tensors).shape)
    told = Message("whose uses a pass of shape {shape} has shown", {"shape": _sized(shape)})
    reading = _on_shapes(model, feed, told)
    return reading if isinstance(reading, Reading) else _read(model, filled(model, feed), told, None)


def _guessed(model: nn.Module) -> Reading:
    """By the first guess that the model can be run on; by the order of its modules where there is none."""
    first = None
    for feed in guesses(model):
        shape = tuple(next(feed.tensors).shape)
        told = Message("whose uses a pass of shape {shape}, a guess, has shown", {"shape": _sized(shape)})
        reading = _on_shapes(model, feed, told)
        if isinstance(reading, Reading):
            return reading
        first = first or (shape, reading)
    return Reading(_not_run(first), by_structure(model))


def _not_run(first: tuple[Sequence[int], str] | None) -> Message:
    """That the order of the modules tells, and what kept the likeliest guess from running."""
    if first is None:
        return Message("whose uses the order of the modules tells")
    return Message(
        "whose uses the order of the modules tells (an input of shape {shape}, a guess, fails: {error})",
        {"shape": _sized(first[0]), "error": first[1]},
    )


def _on_shapes(model: nn.Module, feed: Feed, told: Message) -> Reading | str:
    """On a copy without numbers, so that nothing the model keeps for later comes from here; or why it cannot run."""
    failure = ""
    bare, whole = _without_numbers, deepcopy  # some models know that they are not on a real device, and refuse
    for copied in (bare, whole) if _size(model) < LARGE else (bare,):
        for candidate in candidates(model, feed):
            fed = candidate.mapped(lambda x: x.to("meta")) if copied is bare else filled(model, candidate)
            try:
                return _read(copied(model), fed, told, None)
            except Exception as error:
                let_through(error)
                failure = failure or f"{error!r:.200}"  # the error itself would keep the copy alive
    return failure


def _size(model: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


def _without_numbers(model: nn.Module) -> nn.Module:
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
    for buffer in model.buffers():
        memo[id(buffer)] = buffer.detach().to("meta")
    return deepcopy(model, memo)


def _read(model: nn.Module, feed: Feed, how: Message, kept: Feed | None) -> Reading:
    data = [x.detach().requires_grad_() if x.is_floating_point() else x for x in feed.tensors]
    names = iter(data)
    asking = feed.mapped(lambda x: next(names))
    trained = [parameter.requires_grad for parameter in model.parameters()]
    with undisturbed(model), torch.enable_grad(), steps_counted(model) as steps:
        model.train()
        try:
            for parameter in model.parameters():
                parameter.requires_grad_(parameter.is_floating_point())
            seen = survey(model, lambda: _roots(model, asking), [x for x in data if x.requires_grad])
        finally:
            for parameter, asks in zip(model.parameters(), trained, strict=True):
                parameter.requires_grad_(asks)
    weights, gains = uses_of(seen.plan)
    return Reading(how, weights, gains, steps, kept)


def _roots(model: nn.Module, feed: Feed) -> Sequence[Tensor]:
    # A model may work in place, which is not allowed on leaves.
    fed = feed.mapped(lambda x: x.clone())
    roots = [x for x in _tensors(model(*fed.args, **dict(fed.kwargs or {}))) if x.grad_fn is not None]
    if not roots:
        raise InitError(f"what {type(model).__name__} returns does not depend on any parameter")
    return roots


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, tuple | list):
        for value in output:
            yield from _tensors(value)


def _sized(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
