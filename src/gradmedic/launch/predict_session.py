"""Predict what a script trains: from its first backward passes, after which the run is ended."""

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from gradmedic.base.atomic_write import write_all
from gradmedic.base.errors import ProbeError
from gradmedic.base.settings import Settings
from gradmedic.base.surroundings import absolute, say, terminal
from gradmedic.launch.session import Session, flush
from gradmedic.launch.stopping import StopRun
from gradmedic.prediction.coordinate_check import CoordinateCheck
from gradmedic.prediction.prediction import MUCH, PredictedOperation, PredictedParameter, Prediction
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Capture, Recording

if TYPE_CHECKING:
    from gradmedic.prediction.script_prediction import ScriptPredictor

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
    decades: float = MUCH
    json: bool = False


class PredictSession(Session):
    """Observes this process for a prediction instead of a report, up to the first pass of each stream.

    A stream is a place that calls backward, a GAN has two; nobody knows how many will come. So the run
    goes on to the end of its first step, or to a place that calls again, and beyond that only as long
    as there are optimizers that have not stepped yet.
    """

    def __init__(self, asked: PredictionRequest, script: str, argv: Sequence[str]) -> None:
        super().__init__(Recorder({"script": script, "argv": list(argv)}))
        outputs = tuple(absolute(output) for output in asked.outputs)  # the script may change directory
        self.asked = replace(asked, outputs=outputs)
        self.script = script
        self.foretelling: ScriptPredictor | None = None
        self.places: set[tuple[int, int]] = set()
        self.passes = 0
        self.stepped: dict[int, Any] = {}

    def arm(self) -> None:
        """Put the probe in place, and listen."""
        from gradmedic.prediction.script_prediction import ScriptPredictor
        from gradmedic.probe.observed_run import ObservedRun

        self.foretelling = ScriptPredictor(self.asked.init, self.asked.recommend)
        self.run = ObservedRun(self.recorder, Settings(every=1), self.foretelling, self)
        self.run.open()
        self.foretelling.start()

    def abandon(self) -> None:
        """Leave a forked child alone."""
        if self.foretelling is not None:
            self.foretelling.stop()
        super().abandon()

    def before_pass(self, frame: FrameType) -> None:
        """End the run before a pass that is one too many."""
        place = (id(frame.f_code), frame.f_lasti)
        again = place in self.places
        self.places.add(place)
        self.passes += 1
        if self.passes > LONGEST or (again and not self.is_waiting()):
            raise StopRun(0)

    def captured(self) -> None:
        """What was read is looked at in the end."""

    def after(self, step: int, lost: int, stepped: Any = None) -> None:
        """End the run once every optimizer has moved its weights."""
        if stepped is not None:
            self.stepped[id(stepped)] = stepped
            if self.places and not self.is_waiting():
                raise StopRun(0)

    def is_waiting(self) -> bool:
        """Whether there are optimizers besides those that have stepped."""
        from torch.optim import Optimizer

        # By type: isinstance would run __class__ properties of lazy objects.
        return any(issubclass(type(one), Optimizer) and id(one) not in self.stepped for one in gc.get_objects())

    def finish(self, ending: str, status: int) -> int:
        """Tell what was predicted; raises `ProbeError` if nothing was although nothing else went wrong."""
        with self.shadows.ours():
            if self.foretelling is not None:
                self.foretelling.stop()
            if self.run is not None:
                self.run.close()
            told = list(self.predictions())
            if told and self.rank == 0:
                self.deliver(told)
        failure = self.foretelling and self.foretelling.failure
        if not told and failure:
            raise ProbeError(f"{self.script} cannot be predicted: {type(failure).__name__}: {failure}") from failure
        if not told and status == 0:
            raise ProbeError(f"{self.script} has ended without a backward pass: there is nothing to predict")
        return status

    def predictions(self) -> Iterator[Prediction]:
        """One for each stream, with what was measured beside it."""
        recording = self.recorder.recording()
        for stream, found in (self.foretelling.found if self.foretelling else {}).items():
            captures = recording.captures_of(stream)
            line = recording.streams[stream].line
            name = f"{os.path.basename(self.script)}:{line}"
            found = found.named(name, found.loss).judged_by(self.asked.decades)
            yield beside(found, captures[0], recording) if captures else found

    def deliver(self, told: Sequence[Prediction]) -> None:
        """Print the screens behind the script's last lines, and write the outputs."""
        from rich.console import Console

        from gradmedic.render.prediction.screen import show

        flush(sys.stdout)
        if self.asked.json:
            for prediction in told:
                say(sys.stdout, prediction.to_json(self.asked.lang).rstrip())
        elif not self.asked.quiet and self.stream is not None:
            for number, prediction in enumerate(told):
                self.stream.write("\n" if number else "")
                show(prediction, self.asked.lang, Console(file=self.stream, _environ=terminal()))
        write_all(
            (name := output if number == 1 else numbered(output, number), text(prediction, name, self.asked.lang))
            for output in self.asked.outputs
            for number, prediction in enumerate(told, 1)
        )


def text(prediction: Prediction | CoordinateCheck, output: str, lang: str) -> str:
    """A prediction, or a coordinate check, as its file's suffix asks for."""
    if output.endswith(".html"):
        return prediction.to_html(lang)
    return prediction.to_json(lang) if output.endswith(".json") else prediction.to_text(lang)


def numbered(output: str, number: int) -> str:
    """`out.json` as `out-2.json`, for a second stream."""
    path = Path(output)
    return str(path.with_name(f"{path.stem}-{number}{path.suffix}"))


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
