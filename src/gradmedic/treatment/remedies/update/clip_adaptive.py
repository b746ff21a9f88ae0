"""Gradient clipping by what has been usual in the run so far."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch.optim import Optimizer

from gradmedic.base.errors import RemedyError
from gradmedic.base.settings import nearest
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.clip import AutoLimit, Limit, RobustLimit, ZLimit, limited
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy

LIMITS: Mapping[str, Callable[[], Limit]] = {
    "robust": RobustLimit,
    "median": lambda: RobustLimit(to="median"),
    "zclip": ZLimit,
    "autoclip": AutoLimit,
}


@dataclass(frozen=True)
class ClipAdaptive(Remedy):
    """
    ## What it does
    Scales the gradient down, before a step, where its norm is far above those of the steps before. What
    far means is the `rule`: "robust" takes three robust standard deviations of ln(norm) above its median over
    200 steps, and leaves steps out whose gradient is not finite; "median" is the same but brings such a step
    down to the median; "zclip" uses a running mean and deviation; "autoclip" the 10th percentile of all norms.

    ## When it helps
    When spikes come out of the blue and nobody knows a threshold: norms drift by decades over a run, and a
    fixed one is soon always on or never. "robust" clips under one healthy step in a hundred, "zclip" two
    to six, "autoclip" most: it is normalized gradient descent.

    ## How the dose is chosen
    The robust rule first: norms are near log-normal, and a median does not move with the spikes themselves.

    ## References
    - Seetharaman et al., [AutoClip](https://arxiv.org/abs/2007.14469), 2020
    - Kumar et al., [ZClip](https://arxiv.org/abs/2504.02507), 2025
    """

    name: ClassVar[str] = "clip-adaptive"
    cures: ClassVar[tuple[str, ...]] = ("loss-spike", "exploding-gradient", "non-finite")
    alters: ClassVar[Alters] = Alters.UPDATE

    rule: str = "robust"
    """robust, median, zclip or autoclip."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        yield from map(cls, ("robust", "autoclip", "median", "zclip"))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        if self.rule not in LIMITS:
            raise RemedyError(f"clip-adaptive knows no rule {self.rule!r}{nearest(self.rule, LIMITS)}")
        limits: defaultdict[int, Limit] = defaultdict(LIMITS[self.rule])
        skips = self.rule in ("robust", "median")

        def clip(optimizer: Optimizer) -> None:
            limited(optimizer, limits[id(optimizer)], skip_bad=skips)

        with patient.on_gradients(clip):
            yield

    def code(self) -> str:
        made = {"robust": "robust(optimizer)", "median": 'robust(optimizer, to="median")'}
        call = made.get(self.rule, {"zclip": "zclip(optimizer)"}.get(self.rule, "auto(optimizer)"))
        return f"# behind the line that makes the optimizer\nimport gradmedic as gm\n\nclip = gm.clip.{call}"
