"""All that listens to a forward pass, put on and taken away together."""

from torch import nn

from gradmedic.probe.hooks.module_frames import ModuleFrames
from gradmedic.probe.hooks.sequence_intervals import Failed, ModuleIntervals, Owners
from gradmedic.probe.hooks.source_lines import Lines
from gradmedic.probe.recurrent.tap import RecurrentTap

PER_CALL = 4e-6
"""Seconds that noting a call takes, of a module or of a function, measured."""


class ForwardListeners:
    """Module calls, lines of the user's code, and recurrent layers of one step that is read whole."""

    def __init__(self, failed: Failed) -> None:
        self.modules = ModuleIntervals(failed)
        self.recurrent = RecurrentTap()
        self.lines = Lines(failed)
        self._frames = ModuleFrames(failed)
        self.resting = False
        """True in a step whose modules are known from the steps before it: nothing of theirs is heard."""
        self._compiled = False
        self._active = False

    def begin(self, lines: bool, keep: bool = False, modules: bool = True) -> None:
        """Listen from now on, to `modules` as well; `keep` what was heard, where the coming pass belongs to it."""
        if self._compiled:
            return
        if not keep:
            self.forget()
        self._active = True
        self.resting = not modules
        if modules:
            self._frames.start()
            self.modules.start()
            self.recurrent.install()
        else:
            self._rest()
        if lines:
            self.lines.start()
        else:
            self.lines.stop()

    def end(self) -> None:
        """Listen no more; what was heard stays."""
        if not self._active:
            return
        self._active = False
        self.lines.stop()
        self._rest()

    def _rest(self) -> None:
        self.modules.stop()
        self.recurrent.close()
        self._frames.stop()

    def forget(self) -> None:
        """Drop what was heard."""
        self.modules.clear()
        self.lines.clear()

    def give_up(self) -> None:
        """Never listen again: a hook would break a compiled model into pieces."""
        self._compiled = True
        self.end()

    @property
    def recurs(self) -> bool:
        """True if a recurrent layer has been called since anything was forgotten: each of its passes is to be heard."""
        return any(issubclass(type(module), nn.RNNBase) for module in self.modules.called.values())

    def cost(self) -> float:
        """Seconds that listening has taken out of the forward pass, by what each call costs."""
        return PER_CALL * (len(self.modules.spans) + self.lines.count)

    def owners(self) -> tuple[Owners, Owners]:
        """Who made a node: the module, and the line, where autograd does not keep that itself."""
        return Owners(self.modules.spans), Owners(self.lines.spans)
