"""The laws that an initialization would give to the parameters of a plan."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gradmedic.base.errors import TheoryError
from gradmedic.base.name_patterns import glob
from gradmedic.theory.plan.init_targets import Edge
from gradmedic.theory.plan.parameter_uses import uses_of
from gradmedic.theory.plan.plan import PARAMETER, Plan, Step
from gradmedic.theory.plan.plan import Edge as Wire
from gradmedic.theory.signals.parameter_law import ParameterLaw

APPLIES = ("linear", "addmm", "mm", "matmul", "mv", "conv")
_ARRANGES = ("t", "transpose", "permute", "view", "reshape", "unsafe_view", "unsqueeze", "squeeze", "clone", "to_copy")


@dataclass(frozen=True)
class ParameterRole:
    """A parameter, and the step that applies it: `role` is "weight", "bias", or "other" (gains of norms, tables)."""

    name: str
    shape: tuple[int, ...]
    module: str
    role: str
    step: int = -1
    fan_in: int = 0
    fan_out: int = 0


Recipe = Callable[[ParameterRole], ParameterLaw | float | None]
"""From a place to a law, or to the standard deviation of a mean of zero; None leaves it as it is."""

Init = str | Recipe | Mapping[str, "ParameterLaw | float | str"]


def places(plan: Plan) -> dict[int, ParameterRole]:
    """Where each parameter of a plan is applied, by its position."""
    users, found = plan.consumers(), dict[int, ParameterRole]()
    for i, step in plan.parameters():
        at, slot = _application(plan, users, (i, 0))
        found[i] = _place(plan, step, at, slot)
    return found


def _application(plan: Plan, users: Mapping[Wire, Sequence[tuple[int, int]]], edge: Wire) -> tuple[int, int]:
    """The first step that does more than arrange, and which of its operands this is."""
    for user, slot in users.get(edge, ()):
        if plan.steps[user].op in _ARRANGES:
            return _application(plan, users, (user, 0))
        return user, slot
    return -1, 0


def _place(plan: Plan, step: Step, at: int, slot: int) -> ParameterRole:
    user = plan.steps[at] if at >= 0 else None
    module = str(step.attributes.get("module_type", ""))
    name = str(step.attributes.get("name", ""))
    if user is None or user.op not in APPLIES:
        role = "bias" if user is not None and user.op == "add" and len(step.shape) == 1 else "other"
        return ParameterRole(name, step.shape, module, role, at)
    if len(step.shape) < 2:
        return ParameterRole(name, step.shape, module, "bias", at, _fan_in(plan, user))
    taps = math.prod(step.shape[2:])
    return ParameterRole(name, step.shape, module, "weight", at, step.shape[1] * taps, step.shape[0] * taps)


def _fan_in(plan: Plan, step: Step) -> int:
    """That of the weights beside a bias."""
    for edge in step.inputs:
        here = edge
        while here is not None and plan.steps[here[0]].op in _ARRANGES:
            here = plan.steps[here[0]].inputs[0]
        if here is not None and plan.steps[here[0]].op == PARAMETER and len(plan.steps[here[0]].shape) > 1:
            return math.prod(plan.steps[here[0]].shape[1:])
    return 0


def initialized(plan: Plan, init: Init) -> Plan:
    """The plan with the laws of another initialization; raises `TheoryError` for a name that nobody knows."""
    steps, where = list(plan.steps), places(plan)
    recipe = _recipe(init, plan)
    for i, place in where.items():
        law = recipe(place)
        if law is not None:
            steps[i] = replace(
                steps[i], law=law if isinstance(law, ParameterLaw) else ParameterLaw(0.0, float(law) ** 2)
            )
    return replace(plan, steps=tuple(steps))


def _recipe(init: Init, plan: Plan) -> Recipe:
    if isinstance(init, Mapping):
        return _by_pattern(init, plan)
    if callable(init):
        return init
    if init == "critical":
        return critically(plan)
    if init not in NAMED:
        raise TheoryError(f"init {init!r} is none of {', '.join([*NAMED, 'critical'])}, a function or a mapping")
    return NAMED[init]


def _by_pattern(init: Mapping[str, "ParameterLaw | float | str"], plan: Plan) -> Recipe:
    recipes = {pattern: _recipe(value, plan) if isinstance(value, str) else value for pattern, value in init.items()}

    def recipe(place: ParameterRole) -> ParameterLaw | float | None:
        for pattern, value in recipes.items():
            if glob(pattern).fullmatch(place.name):
                return value(place) if callable(value) else value
        return None

    return recipe


def default(place: ParameterRole) -> ParameterLaw | None:
    """What torch's own modules draw: mostly uniform with variance 1 / (3 fan_in), biases too."""
    # Held against the torch that is installed: tests/theory/plan/test_initializations.py.
    module, leaf = place.module, place.name.rpartition(".")[2]
    if module == "Embedding":
        return ParameterLaw(0.0, 1.0)
    if module in ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"):
        hidden = place.shape[0] // {"L": 4, "G": 3}.get(module[0], 1)
        return ParameterLaw(0.0, 1 / (3 * hidden))
    if module == "MultiheadAttention" and leaf == "in_proj_weight":
        return ParameterLaw(0.0, 2 / sum(place.shape))
    if module in ("MultiheadAttention", "NonDynamicallyQuantizableLinear") and leaf in ("in_proj_bias", "bias"):
        return ParameterLaw(0.0, 0.0)
    if module.startswith("ConvTranspose"):
        fan = place.fan_in or 1
        return ParameterLaw(0.0, 1 / (3 * fan))
    if "Norm" in module:
        return ParameterLaw(1.0, 1.0) if leaf == "weight" else ParameterLaw(0.0, 0.0)
    if place.role in ("weight", "bias") and place.fan_in:
        return ParameterLaw(0.0, 1 / (3 * place.fan_in))
    return None


def _scaled(variance: Callable[[ParameterRole], float], *, orthogonal: bool = False) -> Recipe:
    """Weights of that variance, and biases of zero; all else as it is."""

    def recipe(place: ParameterRole) -> ParameterLaw | None:
        if place.role == "weight" and place.fan_in:
            return ParameterLaw(0.0, variance(place), orthogonal)
        return ParameterLaw(0.0, 0.0) if place.role == "bias" else None

    return recipe


def _by_longer_side(place: ParameterRole) -> float:
    return 1 / max(place.shape[0], math.prod(place.shape[1:]))


NAMED: dict[str, Recipe] = {
    "default": default,
    "he": _scaled(lambda place: 2 / place.fan_in),
    "xavier": _scaled(lambda place: 2 / (place.fan_in + place.fan_out)),
    "lecun": _scaled(lambda place: 1 / place.fan_in),
    "orthogonal": _scaled(_by_longer_side, orthogonal=True),
}


def critically(plan: Plan) -> Recipe:
    """Weights, biases and gains at the edge of chaos, as `gm.init.critical_` draws them without any data."""
    weights, gains = uses_of(plan)
    edge, laws = Edge(), dict[str, ParameterLaw]()
    for name, aim in edge.aims(weights).items():
        laws[name] = ParameterLaw(0.0, aim.variance, not weights[name].table, aim.balanced)
        laws |= dict.fromkeys(weights[name].biases, ParameterLaw(0.0, aim.bias))
    for name, gain in gains.items():
        if (found := edge.gain(gain)) is not None:
            laws[name] = ParameterLaw(found.gain, found.gain**2)
            laws |= {gain.bias: ParameterLaw(0.0, found.bias)} if found.bias else {}
    return lambda place: laws.get(place.name)
