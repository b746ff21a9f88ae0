"""Shortcuts around blocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from gradmedic.diagnosis.features.structure import blocks, streams_of
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Kind
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class Residual(Remedy):
    """
    ## What it does
    Adds what goes into a module to what comes out of it, where both have the same shape: the gradient passes
    by. Other modules of the list stay as they are.

    ## When it helps
    When the gradient vanishes over many like blocks: a skip that was forgotten, a plain network of tens of
    layers. Blocks that start small make it best; where they double the signal, `scale-down` belongs with it.

    ## How the dose is chosen
    All modules that repeat under one name, such as blocks.0 to blocks.8; the branch as it is, and at a tenth.

    ## References
    - He et al., [Deep Residual Learning](https://arxiv.org/abs/1512.03385), 2016
    - De and Smith, [Batch Normalization Biases Residual Blocks](https://arxiv.org/abs/2002.10444), 2020
    """

    name: ClassVar[str] = "residual"
    cures: ClassVar[tuple[str, ...]] = ("vanishing-gradient",)
    alters: ClassVar[Alters] = Alters.MODEL

    modules: tuple[str, ...]
    """Paths of modules; `*` stands for one part of a name."""

    branch: float = 1.0
    """What the module's own output is multiplied by."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        streams = streams_of(finding, recording)
        found = blocks(recording, streams)
        if found and not any(s.kind is Kind.RESIDUAL for s in recording.sites.values() if s.stream in streams):
            yield from (cls(found, branch) for branch in (1.0, 0.3))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def add(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            x = args[0] if args else None
            if not isinstance(x, Tensor) or not isinstance(output, Tensor) or x.shape != output.shape:
                return False
            return x + self.branch * output if x.is_floating_point() else False

        with patient.on_outputs(self.modules, add):
            yield

    def code(self) -> str:
        scale = f"{self.branch:.3g} * " if self.branch != 1.0 else ""
        return (
            f"# around {', '.join(self.modules[:3])}{', ...' if len(self.modules) > 3 else ''}\nx = x + {scale}block(x)"
        )
