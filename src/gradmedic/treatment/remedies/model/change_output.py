"""Another output: one that can reach the targets, or that is positive where a logarithm follows."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.base.errors import RemedyError
from gradmedic.base.settings import nearest
from gradmedic.diagnosis.features.structure import sites_of
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.operation_names import spots
from gradmedic.treatment.patient import FunctionCall, Patient
from gradmedic.treatment.remedies import Alters, Remedy

SHAPES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "positive": lambda x: F.softplus(x) + 1e-6,
    "probability": lambda x: x.sigmoid(),
}


@dataclass(frozen=True)
class ChangeOutput(Remedy):
    """
    ## What it does
    Changes the last activation at `sites`: "linear" leaves it out, "probability" makes it a sigmoid. Without
    sites, what the outermost modules put out is made "positive": a softplus, and a millionth.

    ## When it helps
    When targets lie outside of what the output can be: behind a ReLU nothing is negative, behind a tanh nothing
    beyond one. When a logarithm or a root of the output meets negative numbers. When a softmax stands
    over a single unit, which is always one.

    ## How the dose is chosen
    By what is wrong: linear for targets out of reach, positive for a logarithm of a negative number.

    ## References
    - Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.6 (canonical link functions)
    """

    name: ClassVar[str] = "change-output"
    cures: ClassVar[tuple[str, ...]] = ("loss-mismatch", "non-finite")
    alters: ClassVar[Alters] = Alters.MODEL
    mends: ClassVar[tuple[str, ...]] = ("loss-mismatch", "non-finite")

    to: str = "linear"
    """linear, positive or probability."""

    sites: tuple[str, ...] = ()
    """Which operations, such as "5/relu". Empty: what the outermost modules put out."""

    @classmethod
    def distance(cls, finding: Finding) -> int:
        # What is negative where a logarithm follows is wrong itself; a number added to it only hides that.
        return -1 if finding.evidence.get("reason") == "log-of-negative" else super().distance(finding)

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if finding.evidence.get("reason") in ("log-of-negative", "outside-domain"):
            yield cls("positive")
        elif {"outside", "error"} & finding.evidence.keys():
            yield cls("linear", spots(recording, sites_of(finding, recording)))
        elif "value_min" in finding.evidence:
            yield cls("probability", spots(recording, sites_of(finding, recording)))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        if self.to not in SHAPES:
            raise RemedyError(f"change-output knows no output {self.to!r}{nearest(self.to, SHAPES)}")
        shape = SHAPES[self.to]

        def replaced(call: FunctionCall) -> Any:
            return call.become(shape(call.operand.clone() if call.in_place else call.operand))

        def shaped(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            if not isinstance(output, Tensor):
                raise RemedyError("the model puts out several things; which of them to change is not known")
            return shape(output)

        with patient.around_calls(self.sites, replaced) if self.sites else patient.on_outputs(("",), shaped):
            yield

    def code(self) -> str:
        lines = {
            "linear": "output = self.out(features)  # no activation behind the last layer",
            "positive": "output = torch.nn.functional.softplus(self.out(features)) + 1e-6",
            "probability": "output = torch.sigmoid(self.out(features))",
        }
        return f"# in the model's forward(), at its end\n{lines.get(self.to, lines['linear'])}"
