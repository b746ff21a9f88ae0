"""What a weight is to the call that uses it, and how many inputs it adds up."""

from math import prod

from torch import Tensor

from gradmedic.treatment.patient.hooks.function_calls import FunctionCall
from gradmedic.treatment.patient.tensor_origins import RESHAPES

RECURRENT = {"lstm", "gru", "rnn", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"}
NORMS = {"batch_norm", "layer_norm", "group_norm", "rms_norm", "instance_norm"}
TABLES = {"embedding", "embedding_bag"}
PRODUCTS = {"linear", "conv", "matmul", "bmm", "einsum", "bilinear", "multi_head_attention_forward", "tensordot"}


def role(weight: Tensor, call: FunctionCall) -> str:
    """matrix, recurrent (hidden to hidden), bias, table (of embeddings, or added), scale, or other."""
    if call.op in NORMS:
        return "shift" if _position(weight, call) == _SHIFT.get(call.op, 3) else "scale"
    if call.op in TABLES:
        return "table" if weight.dim() == 2 else "other"
    if call.op in RECURRENT:
        if weight.dim() < 2:
            return "bias"
        return "recurrent" if weight.shape[-1] == _hidden(call) else "matrix"
    if call.op == "add":
        return "bias" if weight.dim() == 1 else "table"
    if call.op in PRODUCTS:
        return "matrix" if weight.dim() > 1 else "other" if call.op in ("matmul", "tensordot") else "bias"
    # What is turned round or cut first is used in a product afterwards; what is multiplied entry by entry is not.
    return "matrix" if weight.dim() > 1 and call.op in RESHAPES else "scale" if call.op == "mul" else "other"


_SHIFT = {"batch_norm": 4, "instance_norm": 4}


def fan_in(weight: Tensor, call: FunctionCall) -> int:
    """How many entries are added up to one output: (out, in, ...) is torch's layout, `x @ W` the other one."""
    if weight.dim() < 2:
        return 1
    at = _position(weight, call)
    if call.op in ("matmul", "bmm"):
        return int(weight.shape[-2] if at == 1 else weight.shape[-1])
    if call.op == "linear" and at == 2:  # addmm(bias, x, W)
        return int(weight.shape[-2])
    if call.op == "conv" and "transpose" in str(getattr(call.func, "__name__", "")):
        return prod(weight.shape) // int(weight.shape[1])
    return prod(weight.shape[1:])


def fan_out(weight: Tensor, call: FunctionCall) -> int:
    """How many outputs an input is part of."""
    if call.op == "conv":
        return prod(weight.shape) // int(weight.shape[0 if "transpose" in str(call.func) else 1])
    return max(1, weight.numel() // fan_in(weight, call))


def _hidden(call: FunctionCall) -> int:
    """The width of the state that a recurrent call starts with, its second argument."""
    state = call.args[1] if len(call.args) > 1 else None
    while isinstance(state, list | tuple) and state:
        state = state[0]
    return int(state.shape[-1]) if isinstance(state, Tensor) else -1


def _position(weight: Tensor, call: FunctionCall) -> int:
    at = next((at for at, value in enumerate(call.args) if value is weight), -1)
    if at < 0 and call.kwargs.get("bias") is weight:
        return _SHIFT.get(call.op, 3)
    return at
