"""What a user may set, from flags, the environment and pyproject.toml, in one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """Every general option of gradmedic. Options of a rule or a sink belong to that rule or sink."""

    budget: float = 0.02
    """The share of the run's time that gradmedic may take."""
    every: int | None = None
    """Read every n-th step whole, whatever it costs; None lets the budget decide."""
    outputs: tuple[str, ...] = ()
    """Files to write the report to; the suffix chooses the format."""
    record: str | None = None
    """The folder to keep the recording in."""
    fail_on: str | None = None
    """The severity from which the exit code is 3."""
    stop_on: str | None = None
    """The severity at which the run is ended."""
    ignore: tuple[str, ...] = ()
    """Rules to leave out."""
    quiet: bool = False
    """Print nothing."""
    lang: str = "en"
    """The language of screens and reports: "en" or "zh"."""
    rules: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Thresholds by rule name."""
