"""One remedy as it is given: what it has put in place, whether it ever acted, and why it was broken off."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, ParamSpec, Protocol, TypeVar

from gradmedic.base.errors import GradmedicError
from gradmedic.base.interruption import let_through

P = ParamSpec("P")
R = TypeVar("R")


TROUBLE = (GradmedicError, RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What goes wrong in an act. Other exceptions are the script's, or torch's way to end a checkpoint's second pass."""


class PendingCall(Protocol):
    """A call or a backward pass that has not been made yet."""

    def proceed(self) -> Any:
        """Make it."""


M = TypeVar("M", bound=PendingCall)

Tell = Callable[[str, str], None]
"""Who is told of a remedy that could not be given, or not any longer: its name, and why."""


class Course:
    """The course of one remedy, which is given whole or not at all.

    What goes wrong in the middle takes the remedy back and is told to `tell`; without anybody to
    tell, it is raised where it happens.
    """

    def __init__(self, name: str, tell: Tell | None) -> None:
        self.name = name
        self.acted = 0
        self.over = False
        self._tell = tell
        self._stack = ExitStack()

    def begin(self, give: Callable[[], AbstractContextManager[None]]) -> None:
        """Give the remedy."""
        try:
            self._stack.enter_context(give())
        except Exception as error:
            let_through(error)
            self.break_off(error)

    def guarded(self, act: Callable[P, R]) -> Callable[P, R | None]:
        """The same act, not called any more once the course is over; False from it says that it did nothing."""

        def within(*args: P.args, **kwargs: P.kwargs) -> R | None:
            if self.over:
                return None
            try:
                result = act(*args, **kwargs)
            except Exception as error:
                let_through(error)
                self.break_off(error)
                return None
            self.acted += result is not False
            return result

        return within

    def guarded_maker(self, make: Callable[[M], Any]) -> Callable[[M], Any]:
        """The same for an act that makes a call or a pass itself: without it, that is made as the script meant it.

        What the script's own call raises is the script's affair.
        """

        def within(made: M) -> Any:
            if self.over:
                return made.proceed()
            try:
                result = make(made)
            except TROUBLE as error:
                let_through(error)
                if self._tell is None:
                    raise
                trouble: Exception = error
            else:
                self.acted += 1
                return result
            result = made.proceed()  # raises once more if it is the script's own trouble
            self.break_off(trouble)
            return result

        return within

    def break_off(self, error: Exception) -> None:
        """Take the remedy back and say why."""
        if self._tell is None:
            raise error
        if not self.over:
            self.end()
            self._tell(self.name, reason(error))

    def end(self) -> None:
        """Take the remedy back."""
        self.over = True
        self._stack.close()

    def settle(self) -> None:
        """End the course; a remedy that never found anything to act on is told too."""
        if self.over:
            return
        self.end()
        if not self.acted and self._tell is not None:
            self._tell(self.name, "this run had nothing that it applies to")


def reason(error: BaseException) -> str:
    """Why it was broken off, in words: the message of what we raise, and the kind of what we do not expect."""
    return str(error) if isinstance(error, GradmedicError) else f"{type(error).__name__}: {error}"
