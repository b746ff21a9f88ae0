"""One line on a terminal that tells how something long is doing."""

from collections.abc import Callable
from shutil import get_terminal_size
from typing import Any, TextIO


class ProgressLine:
    """Draws a line anew, where somebody sits at a terminal; `line` says how it is going."""

    def __init__(self, stream: TextIO, line: Callable[[Any], str]) -> None:
        self.stream = stream
        self.line = line

    def tick(self, progress: Any) -> None:
        """Draw the line anew."""
        from gradmedic.base.text_layout import cropped

        if self.stream.isatty():
            width = get_terminal_size().columns - 1
            self.stream.write(f"\r\x1b[K{cropped(self.line(progress), width)}")
            self.stream.flush()

    def clear(self) -> None:
        """Wipe the line away."""
        if self.stream.isatty():
            self.stream.write("\r\x1b[K")
            self.stream.flush()
