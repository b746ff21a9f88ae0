"""Keep of what is printed the beginning and the end, and the number that an expression finds last in it."""

import re

KEPT = 1 << 16
"""Bytes of the beginning, and of the end, that are kept."""
WINDOW = 1 << 13
"""Bytes before a new piece that are searched again: what is looked for may begin in them."""


class Excerpt:
    """The beginning and the end of a stream of bytes; `expression` is searched for as it comes."""

    def __init__(self, expression: str | None = None) -> None:
        self.expression = None if expression is None else re.compile(expression, re.MULTILINE)
        self.head, self.tail = b"", b""
        self.left_out = 0
        self.window, self.is_cut = b"", False
        self.found: str | None = None

    def add(self, data: bytes) -> None:
        """Take in what comes next."""
        if self.expression is not None:
            self._search(data)
        room = KEPT - len(self.head)
        self.head += data[:room]
        self.tail += data[room:]
        if len(self.tail) > 2 * KEPT:
            self._shorten()

    @property
    def text(self) -> bytes:
        """What is kept, and a line in the place of what is not."""
        self._shorten()
        gap = f"\n[{self.left_out} bytes left out]\n".encode() if self.left_out else b""
        return self.head + gap + self.tail

    def _shorten(self) -> None:
        over = max(0, len(self.tail) - KEPT)
        self.left_out += over
        self.tail = self.tail[over:]

    def _search(self, data: bytes) -> None:
        """Search a piece, together with the end of the one before; a line whose beginning is gone tells nothing."""
        assert self.expression is not None
        whole = self.window + data
        start = whole.find(b"\n") + 1 if self.is_cut else 0
        for match in self.expression.finditer(whole[start:].decode("utf-8", errors="replace")):
            self.found = match[1] if self.expression.groups else match[0]
        self.is_cut = self.is_cut or len(whole) > WINDOW
        self.window = whole[-WINDOW:]
