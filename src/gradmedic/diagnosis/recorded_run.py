"""One recording among others: where it lies, what was run when, and what is said of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RecordedRun:
    """A row of `gradmedic runs`.

    `began` is seconds since 1970. `rules` are the findings, the cause first, notes left out; `losses` the first
    and the last typical loss of the first stream that has any. Of a recording that cannot be read `error` says why.
    """

    folder: str
    script: str | None = None
    began: float | None = None
    verdict: str | None = None
    rules: tuple[str, ...] = ()
    losses: tuple[float, float] | None = None
    error: str | None = None
