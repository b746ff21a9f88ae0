"""Normalization of signals behind chosen layers, without parameters."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from gradmedic.base.errors import RemedyError
from gradmedic.base.settings import nearest
from gradmedic.diagnosis.features.structure import hidden_matrices, streams_of
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.operation_names import spots
from gradmedic.treatment.patient import FunctionCall, Patient
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class Normalize(Remedy):
    """
    ## What it does
    Normalizes what comes out at `sites`: over the features of each sample ("layer"; "rms" leaves the mean), over
    all of an image and its channels, or over the batch ("batch", with running averages when gradients are
    off). It has no parameters in a trial; the module that one would write has.

    ## When it helps
    When signals shrink, grow, or sit where activations are flat, and nobody knows which layer began it. It
    takes away the dependence on the weights' size. It is no cure for sigmoid: its slope stays below 0.25; and
    deep plain networks with batch normalization explode, without it they vanish.

    ## How the dose is chosen
    Behind every hidden weight matrix: layer normalization first, which needs no batch.

    ## References
    - Ba, Kiros and Hinton, [Layer Normalization](https://arxiv.org/abs/1607.06450), 2016
    - Yang et al., [A Mean Field Theory of Batch Normalization](https://arxiv.org/abs/1902.08129), 2019
    """

    name: ClassVar[str] = "normalize"
    cures: ClassVar[tuple[str, ...]] = (
        "vanishing-gradient",
        "exploding-gradient",
        "saturated-activation",
        "poor-initialization",
    )
    alters: ClassVar[Alters] = Alters.MODEL

    sites: tuple[str, ...]
    """Behind which operations, such as "body.0/linear"; `*` stands for one part of a name."""

    kind: str = "layer"
    """layer, rms or batch."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        hidden = hidden_matrices(recording, streams_of(finding, recording))
        if hidden:
            yield from (cls(spots(recording, hidden), kind) for kind in ("layer", "batch", "rms"))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        kinds: Mapping[str, Callable[[FunctionCall, Tensor], Tensor]] = {
            "layer": lambda _, x: F.layer_norm(x, _features(x)),
            "rms": lambda _, x: F.rms_norm(x, _features(x)),
            "batch": _Averages().normalized,
        }
        if self.kind not in kinds:
            raise RemedyError(f"normalize knows no kind {self.kind!r}{nearest(self.kind, kinds)}")

        def after(call: FunctionCall) -> Any:
            result = call.proceed()
            return kinds[self.kind](call, result) if isinstance(result, Tensor) and result.dim() > 1 else result

        with patient.around_calls(self.sites, after):
            yield

    def code(self) -> str:
        module = {"layer": "LayerNorm(width)", "rms": "RMSNorm(width)"}.get(self.kind, "BatchNorm1d(width)")
        places = ", ".join(self.sites[:3]) + (", ..." if len(self.sites) > 3 else "")
        return f"# behind {places}\nnorm = torch.nn.{module}\nx = norm(layer(x))"


def _features(x: Tensor) -> list[int]:
    """What is normalized together: the features of a position, or a whole image."""
    return list(x.shape[1:] if x.dim() > 3 else x.shape[-1:])


@dataclass
class _Averages:
    """Running mean and variance of each place, for the passes without gradient."""

    held: dict[tuple[str, str], tuple[Tensor, Tensor]] = field(default_factory=dict)

    def normalized(self, call: FunctionCall, x: Tensor) -> Tensor:
        key = (call.module, call.line)
        width = x.shape[1] if x.dim() > 3 else x.shape[-1]
        if key not in self.held:
            self.held[key] = (x.new_zeros(width), x.new_ones(width))
        flat = x if x.dim() > 3 else x.reshape(-1, width)
        training = torch.is_grad_enabled() and flat.numel() > width
        return F.batch_norm(flat, *self.held[key], training=training).reshape(x.shape)
