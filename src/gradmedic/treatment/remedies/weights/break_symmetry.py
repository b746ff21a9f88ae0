"""Random numbers where weights start at zero, or all alike."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Generator

from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.code_places import start_loop
from gradmedic.treatment.patient import FirstUse, Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.weight_draws import normal, started


@dataclass(frozen=True)
class BreakSymmetry(Remedy):
    """
    ## What it does
    Draws the named weights from N(0, gain² / fan-in), embeddings by their width, before their first use. All
    others keep their start.

    ## When it helps
    When factors of a product all start at zero (LoRA, embeddings, whole layers): each one's gradient is the
    other, and none ever moves. When all units of a layer start with the same weights: they get the same
    gradient, and stay one unit.

    ## How the dose is chosen
    Of several zero matrices in one module only the first is drawn, so that the product still starts at zero,
    as LoRA wants; else all that the finding names.

    ## References
    - Hu et al., [LoRA](https://arxiv.org/abs/2106.09685), 2021
    - Goodfellow et al., [Deep Learning](https://www.deeplearningbook.org), 2016, section 8.4
    """

    name: ClassVar[str] = "break-symmetry"
    cures: ClassVar[tuple[str, ...]] = ("poor-initialization",)
    alters: ClassVar[Alters] = Alters.WEIGHTS

    weights: tuple[str, ...]
    """Names of weights, as recordings have them; `*` stands for one part of a name."""

    gain: Positive = 1.0
    """Standard deviation x root of the fan-in."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if not {"zero_matrices", "twins"} & finding.evidence.keys():
            return
        named = tuple(place.parameter for place in finding.places if place.parameter)
        first = _first_of_each(named) if "zero_matrices" in finding.evidence else named
        yield from (cls(names) for names in dict.fromkeys((first, named)))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def draw(weight: FirstUse, generator: Generator) -> None:
            fan = weight.tensor.shape[-1] if weight.role == "table" else weight.fan_in
            normal(weight.tensor, self.gain, fan, generator)

        with started(patient, self.weights, {"matrix": draw, "table": draw, "recurrent": draw}):
            yield

    def code(self) -> str:
        return start_loop(self.weights, f"torch.nn.init.normal_(weight, std={self.gain:.3g} / weight.shape[-1] ** 0.5)")


def _first_of_each(names: tuple[str, ...]) -> tuple[str, ...]:
    """Of each module that owns several of these, the first; of the others all."""
    owners = Counter(name.rpartition(".")[0] for name in names)
    firsts = {owner: next(n for n in names if n.rpartition(".")[0] == owner) for owner in owners}
    return tuple(n for n in names if owners[(o := n.rpartition(".")[0])] == 1 or firsts[o] == n)
