"""The weights of a model that can be given a start: plain parameters, and those that weight norm splits in two."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from gradmedic.base.errors import InitError
from gradmedic.base.name_patterns import is_any
from gradmedic.probe.torch_internals import is_flat, pre_hooks


class Weight(ABC):
    """A weight, whatever it is kept as; `name` is the one that layers know it by."""

    name: str
    owner: nn.Module
    parts: tuple[tuple[str, nn.Parameter], ...]
    """The parameters that make it, with their names."""

    @property
    @abstractmethod
    def shape(self) -> torch.Size:
        """The shape of the weight as layers use it."""

    @abstractmethod
    def value(self) -> Tensor:
        """The weight as layers use it."""

    @abstractmethod
    def put(self, value: Tensor) -> None:
        """Write a new value, in place."""

    @abstractmethod
    def multiply(self, factor: float) -> None:
        """Make it larger by a factor, in place."""

    @property
    def leaf(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]

    @property
    def is_frozen(self) -> bool:
        """True if no part of it is trained."""
        return not any(parameter.requires_grad for _, parameter in self.parts)


@dataclass(frozen=True)
class Plain(Weight):
    """A parameter."""

    name: str
    owner: nn.Module
    parts: tuple[tuple[str, nn.Parameter], ...]

    @property
    def shape(self) -> torch.Size:
        return self.parts[0][1].shape

    def value(self) -> Tensor:
        return self.parts[0][1].detach()

    def put(self, value: Tensor) -> None:
        self.parts[0][1].copy_(value)

    def multiply(self, factor: float) -> None:
        self.parts[0][1].mul_(factor)


@dataclass(frozen=True)
class Normed(Weight):
    """A weight that weight norm keeps as sizes and directions."""

    name: str
    owner: nn.Module
    parts: tuple[tuple[str, nn.Parameter], ...]
    dim: int

    @property
    def shape(self) -> torch.Size:
        return self.parts[1][1].shape

    def value(self) -> Tensor:
        sizes, directions = (parameter.detach() for _, parameter in self.parts)
        return directions * (sizes / torch.norm_except_dim(directions, 2, self.dim))

    def put(self, value: Tensor) -> None:
        self.parts[1][1].copy_(value)
        self.parts[0][1].copy_(torch.norm_except_dim(self.parts[1][1].detach(), 2, self.dim))

    def multiply(self, factor: float) -> None:
        self.parts[0][1].mul_(factor)


def weights_of(model: nn.Module, *, frozen: bool = False, skip: Sequence[str] = ()) -> dict[str, Weight]:
    """All weights that may be changed, by name; those that are shared once, under their first name.

    Raises `InitError` for what cannot be: parameters that do not exist yet, hold no numbers, are spread over
    machines, or are made of others in a way that does not say how to get the wanted ones.
    """
    found: dict[str, Weight] = {}
    seen: set[int] = set()
    for path, module in model.named_modules():
        if not isinstance(module, parametrize.ParametrizationList):
            for weight in _weights_in(path, module):
                ids = {id(parameter) for _, parameter in weight.parts}
                wanted = frozen or not weight.is_frozen
                if wanted and not ids & seen and not is_any(weight.name, skip):
                    _check(weight)
                    found[weight.name] = weight
                seen |= ids
    return found


def _weights_in(path: str, module: nn.Module) -> Iterator[Weight]:
    """Those that a module itself owns."""
    prefix = f"{path}." if path else ""
    hooks: list[Any] = list(pre_hooks(module))
    norms = {str(hook.name): hook for hook in hooks if type(hook).__name__ == "WeightNorm"}
    halves = {f"{name}{half}" for name in norms for half in ("_g", "_v")}
    for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
        if name not in halves and parameter.is_floating_point():
            yield Plain(prefix + name, module, ((prefix + name, parameter),))
    for name, hook in norms.items():
        parts = tuple((f"{prefix}{name}{half}", getattr(module, f"{name}{half}")) for half in ("_g", "_v"))
        yield Normed(prefix + name, module, parts, hook.dim)
    if parametrize.is_parametrized(module):
        lists: Any = module.parametrizations
        for name, listed in lists.items():
            kept = tuple(
                (f"{prefix}parametrizations.{name}.{key}", p) for key, p in listed.named_parameters(recurse=False)
            )
            dim = listed[0].dim if len(listed) == 1 and type(listed[0]).__name__ == "_WeightNorm" else None
            yield (
                Normed(prefix + name, module, kept, dim)
                if dim is not None
                else ComputedWeight(prefix + name, module, kept, type(listed[-1]).__name__.strip("_"))
            )


@dataclass(frozen=True)
class ComputedWeight(Weight):
    """A weight that some other function makes of its parameters: it can only be left alone."""

    name: str
    owner: nn.Module
    parts: tuple[tuple[str, nn.Parameter], ...]
    how: str

    @property
    def shape(self) -> torch.Size:
        return self.value().shape

    def value(self) -> Tensor:
        found: Tensor = getattr(self.owner, self.leaf).detach()
        return found

    def put(self, value: Tensor) -> None:
        raise InitError(_NO_WAY.format(name=self.name, how=self.how))

    def multiply(self, factor: float) -> None:
        raise InitError(_NO_WAY.format(name=self.name, how=self.how))


_NO_WAY = (
    "{name} is made by {how}, which does not say of what it would have to be made: leave it out with "
    "skip=[{name!r}], or take the parametrization off and put it on again afterwards"
)


def _check(weight: Weight) -> None:
    for name, parameter in weight.parts:
        if is_lazy(parameter):
            raise InitError(f"{name} is lazy and has no shape yet: run the model on a batch once, then initialize")
        if parameter.is_meta:
            raise InitError(f"{name} is on the meta device and holds no numbers: model.to_empty(device=...) first")
        if hasattr(parameter, "placements") or is_flat(parameter):
            raise InitError(f"{name} is spread over machines (DTensor, FSDP): initialize before it is sharded")
    if isinstance(weight, ComputedWeight):
        weight.put(torch.empty(0))
    if any(type(hook).__name__ == "SpectralNorm" for hook in pre_hooks(weight.owner)):
        raise InitError(_NO_WAY.format(name=weight.name, how="SpectralNorm"))
