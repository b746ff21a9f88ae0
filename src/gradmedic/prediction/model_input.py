"""What a model is fed with: a batch, or only its shape."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gradmedic.base.errors import ProbeError, SettingsError
from gradmedic.base.interruption import let_through


@dataclass(frozen=True)
class Feed:
    """Positional and keyword arguments of a model; tensors on the meta device stand for shapes alone."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None

    @property
    def tensors(self) -> Iterator[Tensor]:
        """All tensors in it."""
        return (x for x in (*self.args, *(self.kwargs or {}).values()) if isinstance(x, Tensor))

    @property
    def only_shapes(self) -> bool:
        """True if nothing is known of the values."""
        return any(x.is_meta for x in self.tensors)

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "Feed":
        """The same with every tensor changed."""

        def each(x: Any) -> Any:
            return change(x) if isinstance(x, Tensor) else x

        return Feed(tuple(map(each, self.args)), {name: each(x) for name, x in (self.kwargs or {}).items()})


def feed_of(batch: Any) -> Feed:
    """A tensor, several in a tuple, keywords in a dict; or one shape, or several.

    Raises `ProbeError` for anything else.
    """
    if isinstance(batch, Feed):
        return batch
    if isinstance(batch, Tensor):
        return Feed((batch,))
    if isinstance(batch, Mapping):
        return Feed((), dict(batch))
    if _is_shape(batch):
        return Feed((torch.empty(tuple(batch), device="meta"),))
    if isinstance(batch, tuple | list) and batch and all(isinstance(x, Tensor) or _is_shape(x) for x in batch):
        return Feed(tuple(x if isinstance(x, Tensor) else torch.empty(tuple(x), device="meta") for x in batch))
    raise ProbeError("a batch is a tensor, a tuple of tensors, a dict of keyword arguments, or the shape of one")


TYPES = {"float": torch.float32, "double": torch.float64, "half": torch.float16, "int": torch.long, "bool": torch.bool}


def feed_from(inputs: Sequence[str]) -> Feed:
    """The arguments that words tell of, such as `64x3x32x32`, `int:8x128` or `mask=bool:8x128`: shapes, no values.

    Raises `SettingsError` for words that tell of none.
    """
    args, kwargs = list[Tensor](), dict[str, Tensor]()
    for text in inputs:
        name, _, rest = text.rpartition("=")
        kind, _, shape = rest.rpartition(":")
        sizes = shape.split("x")
        if not all(size.isdigit() and int(size) > 0 for size in sizes) or (kind or "float") not in TYPES:
            known = ", ".join(TYPES)
            raise SettingsError(
                f"{text!r} is no input: a shape like 64x3x32x32, perhaps behind a type ({known}) and a colon"
            )
        tensor = torch.empty([int(size) for size in sizes], dtype=TYPES[kind or "float"], device="meta")
        if name:
            kwargs[name] = tensor
        else:
            args.append(tensor)
    return Feed(tuple(args), kwargs)


def model_of(target: str, found: object) -> nn.Module:
    """The model that was found: as it is, or made by calling what was found without arguments.

    Raises `ProbeError` if there is none in the end.
    """
    if not isinstance(found, nn.Module) and callable(found):
        try:
            found = found()
        except TypeError as error:
            let_through(error)
            raise ProbeError(f"{target} cannot be called without arguments: {error}") from error
    if not isinstance(found, nn.Module):
        raise ProbeError(f"{target} is no model, and makes none: it is of type {type(found).__name__}")
    return found


def _is_shape(batch: Any) -> bool:
    if not isinstance(batch, tuple | list) or not batch:
        return False
    return all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in batch)


def candidates(model: nn.Module, feed: Feed) -> Iterator[Feed]:
    """What a feed may stand for: as it is, then with whole numbers, as tables of tokens want them."""
    yield feed
    if feed.only_shapes:
        yield feed.mapped(lambda x: torch.zeros_like(x, dtype=torch.long) if x.is_floating_point() else x)


def filled(model: nn.Module, feed: Feed) -> Feed:
    """The feed with values: standard normal ones, and tokens that the smallest table has."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    tables = [module.num_embeddings for module in model.modules() if isinstance(module, nn.Embedding)]
    generator = torch.Generator().manual_seed(0)

    def values(x: Tensor) -> Tensor:
        if not x.is_meta:
            return x
        if x.is_floating_point():
            return torch.randn(x.shape, generator=generator).to(device, x.dtype)
        return torch.randint(min(tables, default=2), x.shape, generator=generator).to(device, x.dtype)

    return feed.mapped(values)


@dataclass(frozen=True)
class ModelCall:
    """One way to run a model: on its own parameters, or on shapes that stand in for them."""

    model: nn.Module
    feed: Feed
    stand_ins: Mapping[str, Tensor] | None = None

    def __call__(self) -> Any:
        """The model's output."""
        # In-place operations are not allowed on leaves, so that the model gets copies.
        feed = self.feed.mapped(lambda x: x.clone() if x.requires_grad else x)
        if self.stand_ins is None:
            return self.model(*feed.args, **(feed.kwargs or {}))
        buffers = {name: buffer.to("meta") for name, buffer in self.model.named_buffers()}
        return functional_call(self.model, {**self.stand_ins, **buffers}, feed.args, dict(feed.kwargs or {}))


def calls(model: nn.Module, feed: Feed) -> Iterator[ModelCall]:
    """The ways to run a model, the cheapest first."""
    on_meta = any(parameter.is_meta for parameter in model.parameters())
    for candidate in candidates(model, feed):
        if feed.only_shapes and not on_meta:
            shapes = {
                name: parameter.detach().to("meta").requires_grad_(parameter.requires_grad)
                for name, parameter in model.named_parameters()
            }
            yield ModelCall(model, _asking(candidate), shapes)
        elif on_meta:
            yield ModelCall(model, _asking(candidate.mapped(lambda x: x.to("meta"))))
        if not on_meta:
            yield ModelCall(model, _asking(filled(model, candidate)))


def _asking(feed: Feed) -> Feed:
    """With inputs that ask for a gradient, so that what is done to them is seen too."""
    return feed.mapped(lambda x: x.detach().requires_grad_() if x.is_floating_point() else x)


def roots_of(output: Any) -> Sequence[Tensor]:
    """The first tensor of an output that depends on a parameter."""
    found = next(_tensors(output), None)
    if found is None:
        raise ProbeError("the output does not depend on any parameter that requires a gradient")
    return [found]


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        if output.grad_fn is not None:
            yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, tuple | list):
        for value in output:
            yield from _tensors(value)
