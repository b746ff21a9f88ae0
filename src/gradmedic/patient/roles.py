"""What a weight is to the call that uses it, and how many inputs it adds up."""

from math import prod

from torch import Tensor

from gradmedic.patient.lens import Call

RECURRENT = {"lstm", "gru", "rnn", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"}
NORMS = {"batch_norm", "layer_norm", "group_norm", "rms_norm", "instance_norm"}
TABLES = {"embedding", "embedding_bag"}
PRODUCTS = {"matmul", "bmm"}


def role(weight: Tensor, call: Call) -> str:
    """matrix, recurrent (hidden to hidden), bias, table (of embeddings), scale (of a normalization), or other."""
    if call.op in NORMS:
        return "scale"
    if call.op in TABLES:
        return "table" if weight.dim() == 2 else "other"
    if weight.dim() < 2:
        return "bias" if weight.dim() == 1 else "other"
    if call.op in RECURRENT:
        return "recurrent" if weight.shape[-1] == _hidden(call) else "matrix"
    return "matrix"


def _hidden(call: Call) -> int:
    """The width of the state that a recurrent call starts with, its second argument."""
    state = call.args[1] if len(call.args) > 1 else None
    while isinstance(state, list | tuple) and state:
        state = state[0]
    return int(state.shape[-1]) if isinstance(state, Tensor) else -1


def fan_in(weight: Tensor, call: Call) -> int:
    """How many entries are added up to one output: (out, in, ...) is torch's layout, `x @ W` the other one."""
    if weight.dim() < 2:
        return 1
    if call.op in PRODUCTS:
        return int(weight.shape[-2] if _position(weight, call) == 1 else weight.shape[-1])
    if call.op == "linear" and _position(weight, call) == 2 and len(call.args) > 2:  # addmm(bias, x, W)
        return int(weight.shape[-2])
    if call.op == "conv" and "transpose" in str(getattr(call.func, "__name__", "")):
        return prod(weight.shape) // int(weight.shape[1])
    return prod(weight.shape[1:])


def _position(weight: Tensor, call: Call) -> int:
    return next((at for at, value in enumerate(call.args) if value is weight), -1)
