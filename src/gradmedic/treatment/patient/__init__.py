"""The patient: a live handle on a script in training, for remedies."""

from gradmedic.treatment.operation_names import OperationName
from gradmedic.treatment.patient.first_use import FirstUse
from gradmedic.treatment.patient.hooks.backward import PendingBackward
from gradmedic.treatment.patient.hooks.function_calls import FunctionCall
from gradmedic.treatment.patient.patient import Patient

__all__ = ["FirstUse", "FunctionCall", "OperationName", "Patient", "PendingBackward"]
