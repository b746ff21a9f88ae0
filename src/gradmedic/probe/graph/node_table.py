"""What autograd's nodes are: the operation that a user called, its kind, and what it has saved.

A node is named after its C++ formula ("ReluBackward0"). The table maps the stem to the
operation's name, its kind, and the saved tensors that are its output (`result`) and its operand
(`operand`). A stem that is not in the table gets a name of its own and the kind ARITHMETIC.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from gradmedic.probe.torch_internals import custom_function
from gradmedic.recording.site import Kind


@dataclass(frozen=True)
class Operation:
    """One kind of node. `result` and `operand` are attributes of the node without `_saved_`."""

    op: str
    kind: Kind
    result: str | None = None
    operand: str | None = None
    target: str | None = None


def _rows(kind: Kind, text: str) -> dict[str, Operation]:
    """Parse lines of `Stem op result operand target`, where `-` stands for none."""
    rows = {}
    for line in text.strip().splitlines():
        stem, op, *saved = (word if word != "-" else None for word in line.split())
        assert stem is not None, line
        assert op is not None, line
        rows[stem] = Operation(op, kind, *saved)
    return rows


_SHAPE = """View UnsafeView Reshape ReshapeAlias T Transpose Permute Unsqueeze Squeeze Expand Select Slice Split
SplitWithSizes Unbind Clone Alias ToCopy Copy CopySlices AsStrided Narrow Chunk Flip Roll Movedim Unfold Detach
Contiguous Diagonal Tril Triu Repeat Flatten ViewAsReal ViewAsComplex Real UnsafeSplit ConstantPadNd CloneFunction
Fill Index IndexSelect Gather Cat Stack SelectBackwardAutogradNestedTensor ReflectionPad2D ReplicationPad2D Lift"""

_TABLE: dict[str, Operation] = {
    **{stem: Operation(re.sub(r"(?<!^)(?=[A-Z])", "_", stem).lower(), Kind.SHAPE) for stem in _SHAPE.split()},
    **_rows(
        Kind.ACTIVATION,
        """
        Relu relu result
        Sigmoid sigmoid result
        Tanh tanh result
        Gelu gelu - self
        Silu silu - self
        Elu elu - self
        Celu celu - self
        LeakyRelu leaky_relu - self
        Hardtanh hardtanh - self
        Hardsigmoid hardsigmoid - self
        Hardswish hardswish - self
        Softplus softplus - self
        Mish mish - self
        LogSigmoid log_sigmoid - self
        Glu glu - self
        PreluKernel prelu - self
        RreluWithNoise rrelu - self
        Threshold threshold - self
        Clamp clamp - self
        ClampMin clamp - self
        ClampMax clamp - self
        Maximum maximum - self
        Softshrink softshrink - self
        Hardshrink hardshrink - self
        """,
    ),
    **_rows(
        Kind.WEIGHTS,
        """
        Addmm linear - mat1
        Mm matmul - self
        Mv matmul - self
        Bmm bmm - self
        Baddbmm bmm - batch1
        Addbmm bmm - batch1
        Linear linear - input
        Dot matmul - self
        Convolution conv - input
        MkldnnConvolution conv - input
        ThnnConvTranspose2D conv - self
        """,
    ),
    **_rows(Kind.EMBEDDING, "Embedding embedding\nEmbeddingBag embedding\nEmbeddingRenorm embedding"),
    **_rows(
        Kind.NORMALIZATION,
        """
        NativeBatchNorm batch_norm - input
        CudnnBatchNorm batch_norm - input
        MiopenBatchNorm batch_norm - input
        NativeLayerNorm layer_norm - input
        NativeGroupNorm group_norm - input
        FusedRmsNorm rms_norm - input
        """,
    ),
    **_rows(
        Kind.ATTENTION,
        """
        Softmax softmax result
        SafeSoftmax softmax result
        ScaledDotProductFlashAttentionForCpu sdpa output query
        ScaledDotProductFlashAttention sdpa output query
        ScaledDotProductEfficientAttention sdpa output query
        ScaledDotProductCudnnAttention sdpa output query
        """,
    ),
    **_rows(
        Kind.RECURRENT,
        "MkldnnRnnLayer lstm result0 input\nCudnnRnn rnn result0 input\nMiopenRnn rnn result0 input\n"
        "ThnnFusedLstmCell lstm_cell\nThnnFusedGruCell gru_cell",
    ),
    **_rows(
        Kind.LOSS,
        """
        LogSoftmax log_softmax result
        NllLoss nll_loss - self target
        NllLoss2D nll_loss - self target
        NllLossNd nll_loss - self target
        MseLoss mse_loss - self target
        SmoothL1Loss smooth_l1_loss - self target
        HuberLoss huber_loss - self target
        BinaryCrossEntropy binary_cross_entropy - self target
        BinaryCrossEntropyWithLogits binary_cross_entropy_with_logits - self target
        SoftMarginLoss soft_margin_loss - self target
        MultiMarginLoss multi_margin_loss - self target
        KlDiv kl_div - self target
        CtcLoss ctc_loss result0 log_probs
        """,
    ),
    **_rows(
        Kind.POOLING,
        """
        MaxPool2DWithIndices max_pool - self
        MaxPool3DWithIndices max_pool - self
        MaxPool1D max_pool - self
        AvgPool2D avg_pool - self
        AvgPool3D avg_pool - self
        AdaptiveAvgPool2D avg_pool - self
        AdaptiveAvgPool3D avg_pool - self
        AdaptiveMaxPool2D max_pool - self
        MkldnnAdaptiveAvgPool2D avg_pool - self
        """,
    ),
    **_rows(Kind.DROPOUT, "NativeDropout dropout\nFusedDropout dropout\nAlphaDropout dropout"),
    **_rows(
        Kind.ARITHMETIC,
        """
        Log log - self
        Log2 log2 - self
        Log10 log10 - self
        Log1P log1p - self
        Exp exp result
        Expm1 expm1 result
        Sqrt sqrt result
        Rsqrt rsqrt result
        Pow pow - self
        Div div - other
        Reciprocal reciprocal result
        Acos acos - self
        Asin asin - self
        Atanh atanh - self
        Acosh acosh - self
        Tan tan result
        Lgamma lgamma - self
        Mul mul - self
        LinalgVectorNorm norm result self
        Norm norm result self
        Std std result self
        Var var - self
        Logsumexp logsumexp result self
        Cdist cdist
        Prod prod result self
        Abs abs - self
        """,
    ),
}


@lru_cache(4096)
def operation(name: str) -> Operation:
    """The operation of a node by its `name()`; unknown stems are turned into snake case."""
    stem = re.sub(r"Backward\w*$", "", name.rpartition("::")[2])
    known = _TABLE.get(stem)
    if known is not None:
        return known
    if stem.startswith("Compiled"):
        return Operation("compiled", Kind.OPAQUE)
    # Most formulas call their operand `self` and their output `result`; what a node lacks reads as None.
    return Operation(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem).lower(), Kind.ARITHMETIC, "result", "self")


def is_user_function(node: object) -> bool:
    """True for a node of a `torch.autograd.Function` that is written in Python."""
    return custom_function(node) is not None


SLOTS: dict[str, dict[str, int]] = {
    "Addmm": {"mat1": 1, "mat2": 2},
    "Mm": {"self": 0, "mat2": 1},
    "Bmm": {"self": 0, "mat2": 1},
    "Mv": {"self": 0, "vec": 1},
    "Linear": {"input": 0, "weight": 1},
    "Convolution": {"input": 0, "weight": 1},
    "Mul": {"self": 0, "other": 1},
    "PowBackward1": {"self": 0, "exponent": 1},
    "PowBackward2": {"exponent": 0},
    "Atan2": {"self": 0, "other": 1},
    "Xlogy": {"self": 0, "other": 1},
    "Logaddexp": {"self": 0, "other": 1},
    "Div": {"self": 0, "other": 1},
    "NativeLayerNorm": {"input": 0, "weight": 1},
    "NativeBatchNorm": {"input": 0, "weight": 1},
    "MseLoss": {"self": 0, "target": 1},
    "BinaryCrossEntropy": {"self": 0, "target": 1},
    "BinaryCrossEntropyWithLogits": {"self": 0, "target": 1},
}
"""Which input of a node a saved tensor is; an operand that is not listed is input 0."""


def operands(name: str, op: Operation) -> dict[str, int]:
    """The saved tensors of a node that are its inputs, with the input's position."""
    stem = re.sub(r"Backward\w*$", "", name)
    return SLOTS.get(name) or SLOTS.get(stem) or ({op.operand: 0} if op.operand else {})
