"""Whether a network learns, judged from its loss alone."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Whether one stream's loss says that the network learns.

    `state` is "learning", "stuck", "worse", "converged" or "unclear"; `first` and `last` are
    typical losses of the beginning and the end, `noise` is the spread between neighbors.
    """

    state: str
    first: float | None = None
    last: float | None = None
    best: float | None = None
    noise: float = 0.0
    steps: int = 0
