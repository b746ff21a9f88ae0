"""Warn of something of ours that failed, also where the script turns warnings into errors."""

import warnings

from gradmedic.base.errors import GradmedicWarning
from gradmedic.base.visible_text import visible_text


def warn_of(text: str) -> None:
    """Print a warning that nothing turns into an error: what is left out must not stop a run."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn(visible_text(text), GradmedicWarning, stacklevel=2)
