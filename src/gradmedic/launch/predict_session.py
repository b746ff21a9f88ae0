"""Predict what a script trains: from its first backward passes, after which the run is ended."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from gradmedic.base.atomic_write import write_all
from gradmedic.base.background import in_forked_children
from gradmedic.base.errors import ProbeError
from gradmedic.base.settings import Settings
from gradmedic.base.surroundings import absolute, rank, terminal
from gradmedic.launch.import_hook import after_import
from gradmedic.launch.shadows import Shadows
from gradmedic.launch.stopping import StopRun
from gradmedic.launch.watch_session import flush
from gradmedic.prediction.prediction import PredictedOperation, PredictedParameter, Prediction
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Capture, Recording

if TYPE_CHECKING:
    from gradmedic.prediction.script_prediction import ScriptPredictor
    from gradmedic.probe import Probe

LONGEST = 64
"""Backward passes after which the run is ended, whatever else may come."""


@dataclass(frozen=True)
class PredictionRequest:
    """What is to be predicted, and where it is told."""

    init: str | None = None
    recommend: bool = True
    outputs: tuple[str, ...] = ()
    quiet: bool = False
    lang: str = "en"


class PredictSession:
    """Watches this process from `open` to `close`, as a session does, for a prediction instead of a report."""

    def __init__(self, asked: PredictionRequest, script: str, argv: Sequence[str]) -> None:
        outputs = tuple(absolute(output) for output in asked.outputs)  # the script may change directory
        self.asked = replace(asked, outputs=outputs)
        self.script = script
        self.recorder = Recorder({"script": script, "argv": list(argv)})
        self.stream = sys.stderr
        self.shadows = Shadows()
        self.pid = os.getpid()
        self.probe: Probe | None = None
        self.foretelling: ScriptPredictor | None = None
        self.closed = False

    def open(self) -> None:
        """Be there when the script imports torch, and be gone in the processes that it forks."""
        after_import("torch", self.arm)
        in_forked_children(self.abandon)

    def arm(self) -> None:
        """Put the probe in place, and listen."""
        from gradmedic.prediction.script_prediction import ScriptPredictor
        from gradmedic.probe import Probe

        self.foretelling = ScriptPredictor(self.asked.init, self.asked.recommend)
        self.probe = Probe(self.recorder, Settings(every=1), self.foretelling)
        self.probe.install(FirstPassStop(self.probe, waiting_optimizers))
        self.foretelling.start()

    def abandon(self) -> None:
        """Leave a forked child alone."""
        self.closed = True
        self._stop()

    def _stop(self) -> None:
        if self.foretelling is not None:
            self.foretelling.stop()
        if self.probe is not None:
            self.probe.close()

    def close(self, ending: str, status: int) -> int:
        """Tell what was predicted; raises `ProbeError` if nothing was although nothing else went wrong."""
        if self.closed or os.getpid() != self.pid:
            return status
        self.closed = True
        with self.shadows.ours():
            self._stop()
            told = list(self.predictions())
            if told and rank() == 0:
                self.deliver(told)
        failure = self.foretelling and self.foretelling.failure
        if not told and failure:
            raise ProbeError(f"{self.script} cannot be predicted: {type(failure).__name__}: {failure}") from failure
        if not told and status == 0:
            raise ProbeError(f"{self.script} has ended without a backward pass: there is nothing to predict")
        return status

    def leave(self, status: int) -> int:
        """The last word before an exit that runs nothing more of the script's."""
        return self.close("finished", status)

    def predictions(self) -> Iterator[Prediction]:
        """One for each stream, with what was measured beside it."""
        recording = self.recorder.recording()
        for stream, found in (self.foretelling.found if self.foretelling else {}).items():
            captures = recording.captures_of(stream)
            line = recording.streams[stream].line
            found = found.named(f"{os.path.basename(self.script)}:{line}", found.loss)
            yield beside(found, captures[0], recording) if captures else found

    def deliver(self, told: Sequence[Prediction]) -> None:
        """Print the screens behind the script's last lines, and write the outputs."""
        from rich.console import Console

        from gradmedic.render.prediction import show

        flush(sys.stdout)
        if not self.asked.quiet and self.stream is not None:
            for number, prediction in enumerate(told):
                self.stream.write("\n" if number else "")
                show(prediction, self.asked.lang, Console(file=self.stream, _environ=terminal()))
        write_all(
            (name := output if number == 1 else numbered(output, number), text(prediction, name, self.asked.lang))
            for output in self.asked.outputs
            for number, prediction in enumerate(told, 1)
        )


def text(prediction: Prediction, output: str, lang: str) -> str:
    """A prediction as its file's suffix asks for."""
    return prediction.to_json(lang) if output.endswith(".json") else prediction.to_text(lang)


def numbered(output: str, number: int) -> str:
    """`out.json` as `out-2.json`, for a second stream."""
    path = Path(output)
    return str(path.with_name(f"{path.stem}-{number}{path.suffix}"))


class FirstPassStop:
    """Hears everything in the probe's place, and ends the run once the first pass of every stream has been read.

    A stream is a place that calls backward, a GAN has two; nobody knows how many will come. So the run
    goes on to the end of its first step, or to a place that calls again, and beyond that only as long
    as there are optimizers that have not stepped yet.
    """

    def __init__(self, probe: "Probe", waiting: Callable[[Sequence[Any]], bool]) -> None:
        self.probe = probe
        self.waiting = waiting
        self.places: set[tuple[int, int]] = set()
        self.passes = 0
        self.stepped: dict[int, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.probe, name)

    def begin(self, tensors: Any, inputs: Any, frame: FrameType) -> Any:
        """Pass on that a pass begins, unless it is one too many."""
        place = (id(frame.f_code), frame.f_lasti)
        again = place in self.places
        self.places.add(place)
        self.passes += 1
        if self.passes > LONGEST or (again and not self.waiting(list(self.stepped.values()))):
            raise StopRun(0)
        return self.probe.begin(tensors, inputs, frame)

    def after_step(self, optimizer: Any) -> None:
        """Pass on that weights have moved; leave once every optimizer has moved some."""
        self.probe.after_step(optimizer)
        self.stepped[id(optimizer)] = optimizer
        if self.places and not self.waiting(list(self.stepped.values())):
            raise StopRun(0)


def waiting_optimizers(stepped: Sequence[Any]) -> bool:
    """Whether there are optimizers besides those that have `stepped`."""
    import gc

    from torch.optim import Optimizer

    known = {id(optimizer) for optimizer in stepped}
    # By type: isinstance would run __class__ properties of lazy objects.
    return any(issubclass(type(found), Optimizer) and id(found) not in known for found in gc.get_objects())


def beside(found: Prediction, capture: Capture, recording: Recording) -> Prediction:
    """A prediction with the gradients that were measured in the same pass."""
    ids = {parameter.name: key for key, parameter in recording.parameters.items()}

    def with_grad(operation: PredictedOperation) -> PredictedOperation:
        return replace(operation, measured_grad=capture.sites.get(operation.site.id, {}).get("grad_rms"))

    def with_norm(weight: PredictedParameter) -> PredictedParameter:
        told = capture.parameters.get(ids.get(weight.name, -1), {})
        return replace(weight, measured=told.get("grad_norm"))

    operations, weights = map(with_grad, found.operations), map(with_norm, found.weights)
    return replace(found, operations=tuple(operations), weights=tuple(weights))
