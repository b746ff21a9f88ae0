"""What a torch function is called, whichever of its names it was called by."""

from collections.abc import Mapping
from typing import Any

_NAMES = """
div: truediv true_divide divide itruediv idiv
reciprocal: rtruediv rdiv
matmul: mm mv
bmm: baddbmm
linear: addmm
clamp: clip clamp_min clamp_max
pow: rpow ipow float_power
sigmoid: expit
log_sigmoid: logsigmoid
abs: absolute
sub: subtract rsub isub
mul: multiply rmul imul
add: radd iadd
neg: negative
norm: vector_norm matrix_norm
conv: conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
rnn: rnn_tanh rnn_relu
sdpa: scaled_dot_product_attention
acos: arccos
asin: arcsin
"""
_CALLED = {
    alias: name
    for line in _NAMES.split("\n")
    if line
    for name, _, rest in [line.partition(": ")]
    for alias in rest.split()
}

_known: dict[Any, str] = {}


def op_of(func: Any) -> str:
    """The operation behind a torch function, as recordings call it: "relu" for relu_, F.relu and Tensor.relu."""
    known = _known.get(func)
    if known is None:
        known = _known[func] = _op(func)
    return known


def _op(func: Any) -> str:
    name = str(getattr(func, "__name__", ""))
    if name in ("__get__", "__set__"):  # a property: Tensor.data
        return str(getattr(getattr(func, "__self__", None), "__name__", name))
    name = name.strip("_").removeprefix("special_").removeprefix("linalg_")
    return _CALLED.get(name, name)


def is_in_place(func: Any, kwargs: Mapping[str, Any]) -> bool:
    """True for a call that writes its result into its operand."""
    name = str(getattr(func, "__name__", ""))
    if kwargs.get("inplace"):
        return True
    if name.startswith("__"):
        return name.startswith("__i") and name not in ("__index__", "__invert__", "__int__")
    return name.endswith("_")
