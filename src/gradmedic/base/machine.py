"""What gradmedic has found on a machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradmedic.base.messages import Message


@dataclass(frozen=True)
class Machine:
    """Versions and devices, and what gradmedic can and cannot do with them."""

    python: str
    platform: str
    packages: Mapping[str, str]
    """Versions by name, of what gradmedic needs and of the trainers that are installed."""
    devices: Sequence[str]
    lost: Sequence[Message]
    """What is not read with this torch, a sentence each."""
    trials: Message
    """How the trials of `treat` and `compare` are kept from the files of the current folder."""
    settings: Mapping[str, object]
    """Those that differ from the defaults here."""
