"""Which prescriptions a comparison runs: another activation at every hidden place, with one start or the other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gradmedic.base.errors import ProbeError
from gradmedic.diagnosis.features.structure import hidden_activations, weights_before
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Site
from gradmedic.theory.activations import activation, all_activations
from gradmedic.treatment.operation_names import spots
from gradmedic.treatment.prescription import Item, Prescription
from gradmedic.trials.comparison.comparison import RIGHT, SCRIPT

USUAL = ("relu", "leaky_relu", "gelu", "silu", "elu", "selu", "mish", "tanh", "sigmoid")
"""What is compared unless the user names others."""
NO_SWAP = {"glu", "maximum"}
"""Operations with two inputs, which are no function of one number."""
LIMITS = {"clamp"}
"""Operations that are an activation only where there is no other one: elsewhere they keep something within bounds."""


@dataclass(frozen=True)
class Swap:
    """An activation with a start of the weights before it, and what brings both about."""

    activation: str
    start: str
    prescription: Prescription
    rate: float = 1.0

    def at(self, rate: float) -> "Swap":
        """The same with the script's learning rates multiplied by a factor."""
        slower = (Item("learning-rate", {"factor": rate}),) if rate != 1.0 else ()
        return replace(self, prescription=Prescription((*self.prescription.items, *slower)), rate=rate)


@dataclass(frozen=True)
class Hidden:
    """The hidden activations of a network, and what a prescription calls them and the weights before them."""

    recording: Recording
    sites: tuple[Site, ...]

    @property
    def own(self) -> tuple[str, ...]:
        """The names of the activations that the network has, the most frequent first."""
        names = [_name(site.op) for site in self.sites]
        return tuple(sorted(dict.fromkeys(names), key=lambda name: -names.count(name)))

    @property
    def spots(self) -> tuple[str, ...]:
        """What a prescription calls them."""
        return spots(self.recording, self.sites)

    def weights(self, own: str | None = None) -> tuple[str, ...]:
        """The names of the weights before them, or before those that are one activation."""
        return weights_before(self.recording, [site for site in self.sites if own in (None, _name(site.op))])


def hidden(recording: Recording) -> Hidden:
    """The activations that can be swapped: elementwise ones between weights; no outputs, gates, attention, losses.

    Raises `ProbeError` with one sentence where there is none.
    """
    known = {op for cls in all_activations().values() for op in cls.ops} - NO_SWAP
    found = [site for site in hidden_activations(recording, set(recording.streams)) if site.op in known]
    plain = [site for site in found if site.op not in LIMITS]
    if not found:
        raise ProbeError(_none(recording))
    return Hidden(recording, tuple(plain or found))


def _none(recording: Recording) -> str:
    if not recording.captures:
        return "there is nothing to compare: no backward pass was seen"
    if recording.events_of("compiled"):
        return "torch.compile hides the operations from view: run the script without it to compare activations"
    return (
        "there is nothing to compare: this network has no hidden activation that could be swapped "
        "(outputs, gates, attention and losses are left alone)"
    )


def _name(op: str) -> str:
    return next(cls.name for cls in all_activations().values() if op in cls.ops)


def canonical(names: Iterable[str]) -> tuple[str, ...]:
    """Names of activations as the theory knows them, each once; raises `ActivationError` for one that it does not."""
    found = ((text.strip(), activation(text.strip())) for text in names)
    return tuple(dict.fromkeys(text if "(" in text else one.name for text, one in found))


def untouched(found: Hidden) -> Swap:
    """The network as it is."""
    return Swap(" + ".join(found.own), SCRIPT, Prescription())


def swaps(found: Hidden, names: Sequence[str] | None, starts: Sequence[str]) -> list[Swap]:
    """What is to be run beside the script as it is: each activation with each start; the network's own first."""
    own = found.own[0] if len(found.own) == 1 else None
    chosen = [name for name in (names if names is not None else USUAL) if name != own]
    mine = [_own(found)] if RIGHT in starts and found.weights() and (names is None or own in names) else []
    return [*mine, *(swap for name in chosen for swap in _swaps(found, name, starts))]


def _own(found: Hidden) -> Swap:
    """The network's own activations, with the start that is right for them."""
    items = (Item("init-critical", {"activation": name, "weights": found.weights(name)}) for name in found.own)
    return Swap(" + ".join(found.own), RIGHT, Prescription(tuple(item for item in items if item.dose["weights"])))


def _swaps(found: Hidden, name: str, starts: Sequence[str]) -> Iterator[Swap]:
    weights = found.weights()
    swap = Item("swap-activation", {"sites": found.spots, "to": name})
    if SCRIPT in starts or not weights:
        yield Swap(name, SCRIPT, Prescription((swap,)))
    if RIGHT in starts and weights:
        start = Item("init-critical", {"activation": name, "weights": weights})
        yield Swap(name, RIGHT, Prescription((swap, start)))


def swapped_for_itself(found: Hidden) -> Prescription:
    """The network's own activation, called as swapped ones are: what their time is to be compared to."""
    return Prescription((Item("swap-activation", {"sites": found.spots, "to": found.own[0]}),))
