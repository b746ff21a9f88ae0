"""Activations: each knows its function and the names that it goes by; all else is computed from that.

An activation is a frozen dataclass in a file of its own or of its close family. `f` is one torch
expression, its derivative comes from autograd; the fields are its parameters, named as torch
names them; the docstring is its page in the manual. Someone else's package announces its own
under the entry point group `gradmedic.activations`.
"""

import ast
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cache, lru_cache, partial
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from gradmedic.base.errors import ActivationError
from gradmedic.base.interruption import let_through
from gradmedic.base.plugins import discover
from gradmedic.theory.activations.curve_shape import Dies, dies, find_kinks
from gradmedic.theory.activations.panels import Function

INERT = {"inplace", "num_parameters", "input"}
"""Parameters of torch's that do not change the function."""


def kernel(name: str, *args: Any, **kwargs: Any) -> Tensor:
    """What torch computes; not by way of `torch.nn.functional`, around which a script may have put a wrapper."""
    result: Tensor = getattr(torch.ops.aten, name)(*args, **kwargs)
    return result


class Activation(ABC):
    """An elementwise nonlinearity."""

    name: ClassVar[str]
    modules: ClassVar[tuple[str, ...]] = ()
    """Classes of `torch.nn`."""
    functions: ClassVar[tuple[str, ...]] = ()
    """Names under `torch`, `torch.nn.functional`, `torch.special` or `torch.Tensor`."""
    ops: ClassVar[tuple[str, ...]] = ()
    """The operation's name where a backward graph is read."""
    called: ClassVar[Mapping[str, Any]] = {}
    """Parameters that its functions assume where its module assumes something else."""
    also: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Other names that people use, with the parameters that they imply."""

    @abstractmethod
    def f(self, x: Tensor) -> Tensor:
        """Apply it to every element."""

    @property
    def title(self) -> str:
        """What to call it in a sentence."""
        return self.name

    @property
    def kinks(self) -> tuple[float, ...]:
        """Where the function or its slope jumps."""
        return ()

    @property
    def variants(self) -> tuple[tuple[float, "Activation"], ...]:
        """What single units do where they differ, each with its share of the units."""
        return ((1.0, self),)

    @property
    def expected(self) -> "Activation":
        """What it does on average where it draws anew for every element; else itself."""
        return self

    @property
    def dies(self) -> Dies:
        """Whether units can end where no gradient reaches them."""
        return dies(self.expected.f, self.kinks)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Made with those of the values that are its parameters: a module's, or what a graph node has saved."""
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})  # type: ignore[arg-type]


class Gate(ABC):
    """A product of two inputs, y = a(u) v: one opens or closes the way for the other."""

    name: ClassVar[str]
    modules: ClassVar[tuple[str, ...]] = ()
    functions: ClassVar[tuple[str, ...]] = ()
    ops: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def opens(self) -> Activation:
        """The activation a, through which u goes."""

    def f(self, u: Tensor, v: Tensor) -> Tensor:
        """Apply it to both inputs, elementwise."""
        return self.opens.f(u) * v


@dataclass(frozen=True)
class Custom(Activation):
    """A function of somebody's own; where it bends is found by looking."""

    name: ClassVar[str] = "custom"

    function: Function
    label: str = field(default="custom", compare=False)

    @property
    def title(self) -> str:
        return self.label

    def f(self, x: Tensor) -> Tensor:
        return self.function(x.clone()).to(x.dtype)  # it may work in place

    @property
    def kinks(self) -> tuple[float, ...]:
        return _kinks_of(self)


_kinks_of = lru_cache(128)(lambda custom: find_kinks(custom.f))


def all_activations() -> dict[str, type[Activation]]:
    """Every activation, ours and those of installed plug-ins, by name."""
    return discover(Activation, __name__, "gradmedic.activations")


def all_gates() -> dict[str, type[Gate]]:
    """Every gate, ours and those of installed plug-ins, by name."""
    return discover(Gate, __name__, "gradmedic.activations")


def gate(it: Any) -> Gate | None:
    """The gate that is meant by a name, class, module or function; None where it is none."""
    if isinstance(it, Gate):
        return it
    if isinstance(it, type) and issubclass(it, Gate):
        return it()
    asked = it if isinstance(it, str) else getattr(it, "__name__", type(it).__name__)
    for cls in all_gates().values():
        if _key(asked) in map(_key, (cls.name, *cls.modules, *cls.functions)):
            return cls()
    return None


def activation(it: "str | type | nn.Module | Function | Activation", **parameters: Any) -> Activation:
    """The activation that is meant by a name, a class, a module, a function of torch or one of somebody's own.

    Names are those of torch in any spelling ("leaky_relu", "LeakyReLU"), also with parameters
    ("leaky_relu(0.2)"). Any other callable must act on each element of a float64 tensor by itself.
    Raises `ActivationError`, which is a `ValueError`.
    """
    if isinstance(it, Activation):
        return replace(it, **parameters)  # type: ignore[type-var]
    if isinstance(it, str):
        return _by_name(it, parameters)
    if isinstance(it, type):
        made: Any = _made(it, parameters) if issubclass(it, Activation) else it(**parameters)
        return activation(made)
    if isinstance(it, nn.Module):
        return _by_module(it)
    return _by_function(it, parameters)


def of_operation(op: str, saved: Mapping[str, Any]) -> Activation | None:
    """The activation behind an operation of a backward graph, with the parameters that its node has saved."""
    known = next((cls for cls in all_activations().values() if op in cls.ops), None)
    return known.of(saved) if known else None


def _key(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


@cache
def _names() -> dict[str, tuple[type[Activation], Mapping[str, Any]]]:
    """Every name, in its plainest spelling."""
    known: dict[str, tuple[type[Activation], Mapping[str, Any]]] = {}
    for cls in all_activations().values():
        for name in (cls.name, *cls.modules, *cls.functions):
            known.setdefault(_key(name), (cls, {}))
    for cls in all_activations().values():
        for name, implied in cls.also.items():
            known.setdefault(_key(name), (cls, implied))
    return known


def _by_name(text: str, parameters: Mapping[str, Any]) -> Activation:
    name, values, named = _parsed(text)
    if gate(name):
        raise ActivationError(f"{name} has two inputs, y = a(u) v: it is a gate, no activation")
    if _key(name) not in _names():
        near = get_close_matches(_key(name), _names(), n=1)
        hint = f"did you mean {_names()[near[0]][0].name!r}?" if near else "`gradmedic activations` lists all"
        raise ActivationError(f"no activation is called {name!r}; {hint}")
    cls, implied = _names()[_key(name)]
    placed = dict(zip((f.name for f in fields(cls)), values, strict=False))  # type: ignore[arg-type]
    return _made(cls, {**implied, **placed, **named, **parameters})


def _parsed(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """A name, and the parameters that stand in parentheses behind it, as `repr` of a module writes them."""
    name, bracket, _ = text.partition("(")
    if not bracket:
        return name.strip(), [], {}
    try:
        call = ast.parse(text.strip(), mode="eval").body
        assert isinstance(call, ast.Call)
        values = [ast.literal_eval(value) for value in call.args]
        named = {key.arg: ast.literal_eval(key.value) for key in call.keywords if key.arg}
    except (SyntaxError, ValueError, AssertionError):
        raise ActivationError(f"{text!r} is not a name with parameters, such as 'leaky_relu(0.2)'") from None
    return name.rpartition(".")[2].strip(), values, named


def _made(cls: type[Activation], parameters: Mapping[str, Any]) -> Activation:
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    for name in parameters.keys() - known - INERT:
        raise ActivationError(f"{cls.name} has no parameter {name!r}; it has {', '.join(sorted(known)) or 'none'}")
    return cls.of(parameters)


def _by_module(module: nn.Module) -> Activation:
    kind = type(module)
    known = _names().get(_key(kind.__name__)) if kind.__module__.startswith("torch.nn.") else None
    if known is None or kind.__name__ not in known[0].modules:
        return _custom(module)
    names = [f.name for f in fields(known[0])]  # type: ignore[arg-type]
    return known[0].of({name: getattr(module, name) for name in names if hasattr(module, name)})


@cache
def _functions() -> dict[Any, type[Activation]]:
    """The functions of torch themselves, wherever they hang."""
    places = (torch, functional, torch.special, Tensor)
    return {
        getattr(place, name): cls
        for cls in all_activations().values()
        for place in places
        for name in cls.functions
        if hasattr(place, name)
    }


def _by_function(it: Any, parameters: Mapping[str, Any]) -> Activation:
    bare, given = it, dict(parameters)
    if isinstance(it, partial) and not it.args:
        bare, given = it.func, {**it.keywords, **parameters}
    known = _functions().get(bare) if callable(bare) and bare.__hash__ else None
    if known is None:
        return _custom(partial(it, **parameters) if parameters else it)
    return _made(known, {**known.called, **given})


def _custom(function: Any) -> Custom:
    """Somebody's own function, once it has been seen to act on each element by itself."""
    label = getattr(function, "__name__", type(function).__name__)
    custom = Custom(function, label)
    x = torch.tensor([-1.7, 0.3, 2.1, -0.4, 0.9], dtype=torch.float64, device="cpu")
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            y, again, part = custom.f(x), custom.f(x), custom.f(x[:2])
    except Exception as error:
        let_through(error)
        raise ActivationError(f"{label} cannot be applied to a tensor of float64: {error}") from error
    if not y.isfinite().all():
        raise ActivationError(f"{label} is not finite everywhere")
    if y.shape != x.shape or not torch.equal(y, again) or not torch.allclose(y[:2], part, atol=1e-6):
        raise ActivationError(f"{label} does not act on each element by itself, always in the same way")
    return custom
