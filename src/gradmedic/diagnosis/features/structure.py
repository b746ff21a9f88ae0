"""What a recording says of a network's build: hidden activations, the weights before them, branches, blocks."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from gradmedic.base.name_patterns import folded
from gradmedic.diagnosis.features.layers import layers
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Kind, Parameter, Site

CELLS = {"RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"}
HEAVY = 1.5
"""Gain from which weights are larger than any usual initialization makes them."""
LOOPS = 4
"""Repeats in one pass from which a site stands in a loop over time, and belongs to a recurrent cell."""

T = TypeVar("T")


def sites_of(finding: Finding, recording: Recording) -> list[Site]:
    """The sites that a finding names, in the order of the forward pass."""
    named = {(place.name.partition(" (")[0], place.file, place.line) for place in finding.places}
    found = [site for site in recording.sites.values() if (site.name, site.file, site.line) in named]
    return sorted(found, key=lambda site: (site.stream, site.order))


def streams_of(finding: Finding, recording: Recording) -> set[int]:
    """The streams that a finding is about; all of them where it names no site."""
    return {site.stream for site in sites_of(finding, recording)} or set(recording.streams)


def hidden_activations(recording: Recording, streams: set[int]) -> list[Site]:
    """The activations between weights: no outputs, gates, attention, losses, nor what is inside of a recurrent cell."""
    held = [site for site in recording.sites.values() if site.stream in streams and site.kind is Kind.ACTIVATION]
    found = [s for s in held if not (s.tail or s.module_type in CELLS or s.repeats > LOOPS or is_gate(recording, s))]
    return sorted(found, key=lambda site: (site.stream, site.order))


def is_gate(recording: Recording, site: Site) -> bool:
    """True for a signal that is multiplied with another one."""
    return any(user.op == "mul" and len(user.inputs) > 1 for user in users(recording, site))


def users(recording: Recording, site: Site) -> list[Site]:
    """The sites that a site feeds."""
    return [other for other in recording.sites.values() if site.id in other.inputs]


def upstream(recording: Recording, site: Site) -> Iterator[Site]:
    """The sites behind a site, against the flow, the nearest first."""
    seen, ahead = {site.id}, list(site.inputs)
    while ahead:
        found = recording.sites.get(ahead.pop(0))
        if found is not None and found.id not in seen:
            seen.add(found.id)
            yield found
            ahead.extend(found.inputs)


def weights_before(recording: Recording, sites: Sequence[Site]) -> tuple[str, ...]:
    """The names of the weight matrices right before some sites, with those of raw biases beside them."""
    names: list[str] = []
    for site in sites:
        seen, ahead = {site.id}, list(site.inputs)
        while ahead:
            found = recording.sites.get(ahead.pop(0))
            if found is None or found.id in seen:
                continue
            seen.add(found.id)
            if found.kind is Kind.WEIGHTS and found.parameter:
                names += with_bias(recording, found.parameter)
            else:
                ahead.extend(found.inputs)
    return folded(once(names), _everybody(recording))


def with_bias(recording: Recording, weight: str) -> list[str]:
    """The name of a weight, and of the vector that was made right behind it, where no module joins the two."""
    owned = next((p for p in recording.parameters.values() if weight in (p.name, *p.aliases)), None)
    if owned is None or owned.module_type:
        return [weight]
    near = [p for p in recording.parameters.values() if not p.module_type and _fits(p, owned)]
    near.sort(key=lambda p: abs(p.id - owned.id - 0.5))
    return [weight, *(p.name for p in near[:1])]


def _fits(vector: Parameter, matrix: Parameter) -> bool:
    return len(vector.shape) == 1 and len(matrix.shape) > 1 and vector.shape[0] in matrix.shape


def branch_ends(recording: Recording) -> tuple[str, ...]:
    """The last weights of each residual branch: those whose output is added to what passed them by."""
    ends: list[str] = []
    for site in sorted(recording.sites.values(), key=lambda site: (site.stream, site.order)):
        if site.kind is Kind.RESIDUAL and len(site.inputs) > 1:
            branch = recording.sites.get(max(site.inputs, key=lambda key: _order(recording, key)))
            ways = (branch, *upstream(recording, branch)) if branch is not None else ()
            last = next((s for s in ways if s.kind is Kind.WEIGHTS and s.parameter), None)
            ends += [last.parameter] if last is not None and last.parameter else []
    return once(ends)


def _everybody(recording: Recording) -> set[str]:
    return {name for held in recording.parameters.values() for name in (held.name, *held.aliases)}


def _order(recording: Recording, key: int) -> int:
    site = recording.sites.get(key)
    return site.order if site is not None else -1


def blocks(recording: Recording, streams: set[int]) -> tuple[str, ...]:
    """The modules that repeat: numbered paths under one name, such as blocks.0, blocks.1; the outermost numbers."""
    paths = [s.module for s in recording.sites.values() if s.stream in streams and s.module]
    numbered = once(found[1] for path in sorted(paths, key=_by_number) if (found := _NUMBERED.match(path)))
    stems = Counter(path.rpartition(".")[0] for path in numbered)
    several = [path for path in numbered if stems[path.rpartition(".")[0]] > 1]
    return folded(several, {site.module for site in recording.sites.values()})


_NUMBERED = re.compile(r"((?:[^.]+\.)*?\d+)(?=\.|$)")


def _by_number(path: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in path.split("."))


def once(items: Iterable[T]) -> tuple[T, ...]:
    """The items in their order, each once."""
    return tuple(dict.fromkeys(items))


def weights_of(finding: Finding, recording: Recording) -> tuple[str, ...]:
    """The names of the weights that a finding names, with those of raw biases beside them."""
    owned = [place.parameter for place in finding.places if place.parameter and place.kind != Kind.ACTIVATION]
    names = [name for parameter in owned for name in with_bias(recording, parameter)]
    return folded(once(name for name in names if not _is_cell(recording, name)), _everybody(recording))


def recurrent_weights(finding: Finding, recording: Recording) -> tuple[str, ...]:
    """The hidden-to-hidden weights that a finding names: of a recurrent layer, or of a cell that is written by hand."""
    found = []
    for site in sites_of(finding, recording):
        if site.kind is Kind.RECURRENT:
            found += [p.name for p in recording.parameters.values() if p.name.startswith(f"{site.module}.weight_hh")]
        elif site.parameter and site.kind is Kind.WEIGHTS:
            found.append(site.parameter)
    return once(found)


def _is_cell(recording: Recording, name: str) -> bool:
    return any(p.name == name and p.module_type in CELLS for p in recording.parameters.values())


def hidden_matrices(recording: Recording, streams: set[int]) -> list[Site]:
    """The weight matrices before the output, in the order of the forward pass."""
    held = [s for s in recording.sites.values() if s.stream in streams and s.kind is Kind.WEIGHTS and not s.tail]
    found = [s for s in held if s.parameter and s.module_type not in CELLS and s.repeats <= LOOPS]
    return sorted(found, key=lambda site: (site.stream, site.order))


def input_size(recording: Recording, streams: set[int]) -> float:
    """The root mean square of what went into the first weights when training began, the largest; 0 if unknown."""
    firsts = [layers(recording, capture)[:1] for capture in _first_captures(recording, streams)]
    return max((first.flow.get("input_rms", 0.0) for found in firsts for first in found), default=0.0)


def heaviest(recording: Recording, streams: set[int]) -> float:
    """The largest gain that weights had when training began: PyTorch's default has 0.58, He 1.41."""
    found = (layer for capture in _first_captures(recording, streams) for layer in layers(recording, capture))
    return max((layer.gain for layer in found), default=0.0)


def blames_weights(finding: Finding, recording: Recording) -> bool:
    """False for an explosion of a network whose weights are no larger than those of He."""
    return finding.rule != "exploding-gradient" or heaviest(recording, streams_of(finding, recording)) > HEAVY


def _first_captures(recording: Recording, streams: set[int]) -> list[Capture]:
    return [capture for stream in streams for capture in recording.captures_of(stream)[:1]]
