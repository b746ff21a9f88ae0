"""Treatment: what a script can be given, without a change of it or as a patch."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from gradmedic.treatment.prescription import Prescription


def apply(prescription: "Prescription", model: "nn.Module", optimizer: "Optimizer") -> AbstractContextManager[None]:
    """Give a model all remedies of a prescription, inside of a `with` block."""
    from gradmedic.treatment.patient import Patient
    from gradmedic.treatment.remedies import treated

    return treated(prescription, Patient(model, optimizer))


def code(prescription: "Prescription") -> str:
    """The lines to write into a script instead of a prescription, remedy by remedy, in the order of a script."""
    from gradmedic.treatment.code_places import rank
    from gradmedic.treatment.remedies import remedy_from

    codes = [(item.remedy, remedy_from(item, prescription.source).code()) for item in prescription.items]
    ordered = sorted(codes, key=lambda one: rank(one[1]))
    return "\n\n".join(f"# {name}\n{code}" for name, code in ordered)
