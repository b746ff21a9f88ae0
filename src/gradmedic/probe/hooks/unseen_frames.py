"""Frames of our wrappers, which neither warnings nor tracebacks show.

A wrapper of ours is one frame more between the script and torch. A warning that names its caller's
line by counting frames would name another one, and a traceback would have a line that it has not
under plain python.
"""

from contextlib import AbstractContextManager
from types import CodeType, TracebackType
from typing import Any

MARK = " <importlib._bootstrap>"
"""`warnings` does not count frames whose file's name has both words: they are the import system's."""


def uncounted(function: Any) -> Any:
    """The same function, whose frames no warning counts."""
    function.__code__ = marked(function.__code__)
    return function


def marked(code: CodeType) -> CodeType:
    """The same code, as if it was part of the import system."""
    return code.replace(co_filename=code.co_filename + MARK)


class Untraced(AbstractContextManager[None]):
    """What is raised inside goes on without the frame that it is entered in."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and traceback is not None:
            error.__traceback__ = traceback.tb_next


UNTRACED = Untraced()
