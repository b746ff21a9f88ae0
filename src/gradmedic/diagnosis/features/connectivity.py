"""Which parameters the gradient reaches, and which an optimizer holds: where the two do not meet."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, prod

from gradmedic.diagnosis.training_state import before_the_end
from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Parameter

Group = tuple[Parameter, ...]


@dataclass(frozen=True)
class Connectivity:
    """The trainable parameters, sorted by what is missing; what the script moves itself is left out.

    `cut`: an optimizer holds them and their module is used, but no gradient arrives.
    `idle`: an optimizer holds them, but nothing uses them.
    `forgotten`: the gradient arrives, but no optimizer holds them.
    `cleared`: the gradient arrives, but is gone when the optimizer comes for it.
    `working`: the gradient arrives and an optimizer holds them.
    """

    cut: Group
    idle: Group
    forgotten: Group
    cleared: Group
    working: Group

    def share(self, part: Group) -> float:
        """The share of a group in all weights that are to be trained, counted by entries.

        Idle weights count only where it is they that are asked for: what an old network left behind
        is no part of the new one.
        """
        whole = {p.id: p for p in (*self.cut, *self.forgotten, *self.working, *part)}
        return entries(part) / max(1, entries(whole.values()))

    def comes_first(self, part: Group) -> bool:
        """True where something that is defined behind the group gets a gradient.

        A part that was cut off stands before the rest of the network; an output that nobody uses
        stands at its end.
        """
        return bool(part) and any(p.id > part[0].id for p in (*self.working, *self.forgotten))

    def comes_in_first(self, part: Group) -> bool:
        """True where matrices of a module of its own stand before all that gets a gradient: the network's entrance."""
        reached = (*self.working, *self.forgotten)
        owners = tuple(f"{name}." for name, p in modules(part) if len(p.shape) > 1 and "." in p.name)
        if not owners or not reached or any(p.name.startswith(owners) for p in reached):
            return False
        return part[0].id < min(p.id for p in reached)


def wiring(recording: Recording) -> Connectivity:
    """Sort the trainable parameters of a recording."""
    everybody = sorted(recording.parameters.values(), key=lambda p: p.id)
    modular = any(p.optimizer is not None and p.module_type for p in everybody)
    trainable = [
        p
        for p in _traceable(everybody)
        if p.requires_grad and not _moved_by_hand(recording, p) and not (modular and _is_input(p))
    ]
    reached = {p.id for p in trainable if _reached(recording, p)}
    held = [p for p in trainable if p.optimizer is not None]
    sound = list(_sound(recording))
    return Connectivity(
        tuple(p for p in held if p.id not in reached and p.called),
        tuple(p for p in held if p.id not in reached and not p.called),
        tuple(p for p in trainable if p.id in reached and p.optimizer is None),
        tuple(p for p in held if p.id in reached and _cleared(sound, p)),
        tuple(p for p in held if p.id in reached),
    )


def entries(parameters: Iterable[Parameter]) -> int:
    """How many numbers some parameters hold."""
    return sum(prod(p.shape) for p in parameters)


def modules(parameters: Iterable[Parameter]) -> Sequence[tuple[str, Parameter]]:
    """The modules that own some parameters, each with the first of them, without repeats."""
    found: dict[str, Parameter] = {}
    for owned in parameters:
        found.setdefault(owned.name.rpartition(".")[0] or owned.name, owned)
    return list(found.items())


def _traceable(parameters: Sequence[Parameter]) -> Iterator[Parameter]:
    """The parameters of which the gradient's way can be told.

    Beside shards, a tensor that no optimizer holds may be the whole of what another process holds a part of;
    and of some parameters nothing lies here.
    """
    sharded = any(p.sharded for p in parameters)
    return (p for p in parameters if not p.sharded and entries([p]) and (p.optimizer is not None or not sharded))


def _is_input(parameter: Parameter) -> bool:
    """True for a tensor of its own that nobody holds: beside a model of modules it is what is put in.

    Physics-informed losses, gradient penalties and adversarial examples ask for its gradient.
    """
    return not parameter.module_type and parameter.optimizer is None and not parameter.declared


def _reached(recording: Recording, parameter: Parameter) -> bool:
    rows = [capture.parameters.get(parameter.id, {}) for capture in recording.captures]
    return any(row.get("grad", 0.0) > 0 or "grad_rms" in row or "grad_bad" in row for row in rows)


def _moved_by_hand(recording: Recording, parameter: Parameter) -> bool:
    """True for weights that change without a gradient: a moving average of others, a codebook."""
    sizes = {size for _, size in recording.parameter_series(parameter.id, "weight_rms")}
    return len(sizes) > 1 and not _reached(recording, parameter)


def _sound(recording: Recording) -> Iterator[Capture]:
    """The captures before the first value that is not finite, and whose gradients were not clipped by such a norm.

    An infinite norm makes clipping multiply by zero.
    """
    lost = {(v.stream, v.step) for v in recording.vitals if v.grad_norm is not None and not isfinite(v.grad_norm)}
    for stream in recording.streams:
        yield from (c for c in before_the_end(recording, stream) if (stream, c.step) not in lost)


def _cleared(captures: Iterable[Capture], parameter: Parameter) -> bool:
    """True where each gradient that was not zero is zero or gone at the step, and the step does nothing."""
    rows = [capture.parameters.get(parameter.id, {}) for capture in captures]
    stepped = [row for row in rows if row.get("grad_rms", 0.0) > 0 and "update_rms" in row]
    return bool(stepped) and all(row.get("clipped_rms", 0.0) == 0 == row["update_rms"] for row in stepped)
