"""Attention scores that are not too far apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.features.structure import sites_of, upstream
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Site
from gradmedic.treatment.operation_names import spots
from gradmedic.treatment.patient import FunctionCall, Patient
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class ScaleAttention(Remedy):
    """
    ## What it does
    Multiplies what goes into the softmax at `sites` by `factor`.

    ## When it helps
    When a softmax is one-hot from the start, so that hardly any gradient passes: dot products of width d have a
    size of the root of d, and were not divided by it; queries and keys are large; a temperature is too low.

    ## How the dose is chosen
    What the scores are divided by just before, if that is a low temperature: it is undone. One over the root of the
    width of the queries, as the paper has it; then tenths.

    ## References
    - Vaswani et al., [Attention Is All You Need](https://arxiv.org/abs/1706.03762), 2017, section 3.2.1
    """

    name: ClassVar[str] = "scale-attention"
    cures: ClassVar[tuple[str, ...]] = ("saturated-activation",)
    alters: ClassVar[Alters] = Alters.MODEL

    sites: tuple[str, ...]
    """Where, such as "train.py:31/softmax"; `*` stands for one part of a name."""

    factor: Positive
    """What the scores are multiplied by."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        found = [site for site in sites_of(finding, recording) if site.op == "softmax"]
        if found:
            told = (*_temperature(recording, found[0]), *_by_width(recording, found[0]), 0.1, 0.01, 0.001)
            factors = [float(f"{factor:.2g}") for factor in told if 0 < factor < 1]
            yield from (cls(spots(recording, found), factor) for factor in dict.fromkeys(factors))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def milder(call: FunctionCall) -> Any:
            return call.on(call.operand * self.factor)

        with patient.around_calls(self.sites, milder):
            yield

    def code(self) -> str:
        return f"weights = torch.softmax(scores * {self.factor:.3g}, dim=-1)  # usual: width**-0.5"


def _by_width(recording: Recording, softmax: Site) -> Iterator[float]:
    """One over the root of the width of what was multiplied to make the scores."""
    product = next((site for site in upstream(recording, softmax) if site.op in ("bmm", "matmul")), None)
    if product is not None and product.inputs:
        made = recording.sites.get(product.inputs[0])
        if made is not None and made.shape:
            yield made.shape[-1] ** -0.5


def _temperature(recording: Recording, softmax: Site) -> Iterator[float]:
    """What the scores are divided by before the softmax, if that makes them larger."""
    for site in upstream(recording, softmax):
        if site.op != "div":
            return
        yield from (size for _, size in recording.site_series(site.id, "input_rms")[:1] if size < 1)
