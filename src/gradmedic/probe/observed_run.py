"""One run under observation: the recorder, the probe and the judge."""

from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import TracebackType
from typing import Any, Self

from torch import nn
from torch.optim import Optimizer

from gradmedic.base.settings import Settings
from gradmedic.diagnosis.judge import judge
from gradmedic.diagnosis.report import Report
from gradmedic.probe.failures import fenced
from gradmedic.probe.first_pass import FirstPass
from gradmedic.probe.probe import Probe
from gradmedic.probe.run_listener import NOBODY, Listener
from gradmedic.recording.recorder import Recorder


class ObservedRun:
    """Observes what trains in this process from `open` to `close`, and once more where it is opened again.

    Neither theory nor remedies are known here: `first_pass` works out what is expected, and `around` is entered
    before anything is observed (it is to be seen what remedies have made of the run) and left when nothing is any more.
    """

    def __init__(
        self,
        recorder: Recorder,
        settings: Settings,
        first_pass: FirstPass | None = None,
        listener: Listener = NOBODY,
        around: AbstractContextManager[object] | None = None,
    ) -> None:
        self.recorder = recorder
        self.probe = Probe(recorder, settings, first_pass, listener)
        self.failed = self.probe.failed
        self._settings = settings
        self._first_pass = first_pass
        self._around = around or nullcontext()
        self._entered = ExitStack()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close(foresee=error is None)

    def open(self, model: nn.Module | None = None, optimizer: Optimizer | None = None) -> None:
        """Observe from now on; a model and an optimizer that are given are known before they are seen at work."""
        self._entered.enter_context(self._around)
        self.recorder.reopen()
        self.probe.install()
        self.probe.introduce(model, optimizer)

    def close(self, foresee: bool = True, **facts: Any) -> None:
        """Observe no more, and end the recording with facts that are known only now.

        To work out what theory expected may take a second: without `foresee` it is left out.
        """
        self.probe.close()
        if foresee:
            self.foresee()
        self._entered.close()
        self.recorder.close(**facts)

    @fenced("forecast")
    def foresee(self) -> None:
        """Work out what theory expected of the first passes."""
        if self._first_pass is not None:
            self._first_pass.tell(self.recorder)

    def report(self) -> Report:
        """The diagnosis of all that has been seen so far."""
        self.probe.flush()
        return judge(self.recorder.recording(), self._settings)
