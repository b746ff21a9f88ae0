"""float32 where a narrower type overflows, or everywhere."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.operation_names import spots_of
from gradmedic.treatment.patient import FunctionCall, Patient
from gradmedic.treatment.patient.dtype_casts import widened
from gradmedic.treatment.remedies import Alters, Remedy

NARROW = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class UseFloat32(Remedy):
    """
    ## What it does
    Computes the operations at `sites` in float32, and hands their result on as float32. Without sites, nothing
    is ever converted to float16 or bfloat16: weights and data stay in float32, and autocast does nothing.

    ## When it helps
    When a sum, a square or an exp leaves the 65504 that float16 can hold; when weights are kept in 16 bits, where
    Adam's eps of 1e-8 is zero and a small step is rounded away.

    ## How the dose is chosen
    At the operation that overflowed; where weights themselves were narrow, everywhere.

    ## References
    - Micikevicius et al., [Mixed Precision Training](https://arxiv.org/abs/1710.03740), 2018
    """

    name: ClassVar[str] = "use-float32"
    cures: ClassVar[tuple[str, ...]] = ("non-finite", "gradient-underflow")
    alters: ClassVar[Alters] = Alters.MODEL
    mends: ClassVar[tuple[str, ...]] = ("non-finite",)

    sites: tuple[str, ...] = ()
    """Where, such as "train.py:22/mul". Empty: everywhere."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if "16" not in str(finding.evidence.get("dtype", "16" if finding.rule == "gradient-underflow" else "")):
            return
        named = spots_of(finding, recording)
        if finding.evidence.get("phase") == "forward" and named:
            yield cls(named)
        yield cls()

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def wide(call: FunctionCall) -> Any:
            return replace(call, args=_wide(call.args), kwargs=dict(_wide(call.kwargs))).proceed()

        with ExitStack() as ways:
            if self.sites:
                ways.enter_context(patient.around_calls(self.sites, wide))
            else:
                ways.enter_context(widened(patient, torch.float32))
            yield

    def code(self) -> str:
        if not self.sites:
            return "model.float()  # no .half(), no torch.autocast, and the data as float32 too"
        places = ", ".join(site.rpartition("/")[0] for site in self.sites)
        return f"# at {places}: in float32 what overflows, such as\nloss = loss_fn(output.float(), target.float())"


def _wide(value: Any) -> Any:
    """The same arguments, with narrow tensors as float32."""
    if isinstance(value, Tensor):
        return value.float() if value.dtype in NARROW else value
    if isinstance(value, tuple | list):
        return type(value)(map(_wide, value))
    return {key: _wide(one) for key, one in value.items()} if isinstance(value, dict) else value
