"""Which remedies are worth a trial together."""

from collections.abc import Sequence

from gradmedic.trials.search.candidates import Candidate

BASES = 3
"""The best remedies that do different things, each of which is tried together with every other one."""


def in_twos(partners: Sequence[Candidate]) -> list[Candidate]:
    """The best few with each of the others; `partners` come with the one first that did best on its own.

    A remedy that does nothing alone may be what another one lacks: the right start does not save a
    step that is too large, nor the right step a wrong start. So what the diagnosis thinks of first
    comes as early as what did well.
    """
    bases, hopes = _unlike(partners), _hopes(partners)
    ranked = [(i + hopes[j], i, j) for i in bases for j in range(len(partners)) if j > i or j not in bases]
    pairs = ((partners[i], partners[j]) for _, i, j in sorted(ranked))
    return [one.joined(other) for one, other in pairs if not alike(one, other)]


def with_one_more(best: Candidate, partners: Sequence[Candidate]) -> list[Candidate]:
    """A prescription with each of the others added to it."""
    hopes = _hopes(partners)
    ranked = sorted(range(len(partners)), key=lambda place: hopes[place])
    return [best.joined(partners[place]) for place in ranked if not alike(best, partners[place])]


def _hopes(partners: Sequence[Candidate]) -> list[int]:
    """How early each one is to be tried: by how it did, or by where the diagnosis put it, whichever is earlier."""
    proposed = sorted(range(len(partners)), key=lambda place: partners[place].order)
    return [min(place, proposed.index(place)) for place in range(len(partners))]


def _unlike(partners: Sequence[Candidate]) -> list[int]:
    """The best few that do different things, by their places."""
    found: list[int] = []
    for place, one in enumerate(partners):
        if len(found) < BASES and not any(alike(one, partners[i]) for i in found):
            found.append(place)
    return found


def alike(one: Candidate, other: Candidate) -> bool:
    """True where both do the same thing in different ways, which the first word of their names tells: clip, init."""
    return bool(_acts(one) & _acts(other))


def _acts(candidate: Candidate) -> set[str]:
    return {name.partition("-")[0] for name in candidate.remedies}
