"""Every private name of torch that gradmedic uses, looked up once and nowhere else.

Torch may rename or drop such a name in any release. The names are grouped into capabilities: where
one name of a group is missing, the readings that need the group are switched off, the report says
so in one sentence, and nothing else changes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import attrgetter, methodcaller
from pkgutil import resolve_name
from typing import Any

import torch
from torch import Tensor, nn

from gradmedic.base.errors import ProbeError
from gradmedic.base.messages import Message

CAPABILITIES: list["Capability"] = []
"""All of them, in the order in which they are defined below."""


class Capability:
    """Private names that are of use only together; they are `there` where this torch has all of them."""

    def __init__(self, lost: Message, **paths: str) -> None:
        self.lost = lost
        self.paths = paths
        self._found = {key: _resolved(path) for key, path in paths.items()}
        self.there = all(found is not None for found in self._found.values())
        CAPABILITIES.append(self)

    def get(self, key: str, fallback: Any) -> Any:
        """What a name stands for, or the fallback where the capability is not there."""
        return self._found[key] if self.there else fallback


def lacking() -> list[Capability]:
    """The capabilities that this torch lacks, as far as the run has needed them."""
    return [it for it in CAPABILITIES if not it.there and (it is not PACKING or PACKERS)]


def _resolved(path: str) -> Any:
    try:
        return resolve_name(path)
    except (ImportError, AttributeError):
        return None


def _nothing(*_: Any) -> None:
    return None


SEQUENCE_NUMBERS = Capability(
    Message("this torch does not number operations: they are not assigned to modules, and recurrent layers not read"),
    current="torch:autograd._get_sequence_nr",
    node="torch:_C._functions.ExpBackward0._sequence_nr",
)
current_number: Callable[[], int] = SEQUENCE_NUMBERS.get("current", int)
"""The number that the next node of this thread gets; always 0 where nodes are not numbered."""
sequence_of: Callable[[Any], int] = methodcaller("_sequence_nr") if SEQUENCE_NUMBERS.there else lambda node: 0
"""The number of a node; always 0 where nodes are not numbered."""


SAVED_VALUES = Capability(
    Message("this torch does not show what operations have saved: activations and losses were not read"),
    value="torch:_C._functions.ExpBackward0._saved_result",
    raw="torch:_C._functions.ExpBackward0._raw_saved_result",
)
PACKING = Capability(
    Message("this torch does not tell which saved tensors are packed: with checkpointing, activations were not read"),
    hook="torch:_C._autograd.SavedTensor.unpack_hook",
)
PACKERS: set[object] = set()
"""Who has been met packing saved tensors, where torch does not tell it of each tensor."""


def saved(node: Any, name: str) -> Any:
    """A value that a node has saved for the backward pass; None if there is none of that name."""
    return getattr(node, f"_saved_{name}", None) if SAVED_VALUES.there else None


def is_packed(node: Any, name: str) -> bool:
    """False for a saved tensor that autograd keeps as it is; unpacking others runs code that is not torch's."""
    raw = getattr(node, f"_raw_saved_{name}", None) if SAVED_VALUES.there else None
    if raw is None or not PACKING.there:
        return raw is None or bool(PACKERS)
    several = raw if isinstance(raw, tuple | list) else (raw,)  # of an index the tensors of all dimensions
    return any(one is not None and one.unpack_hook is not None for one in several)


def saved_constants(node: Any) -> list[str]:
    """The names of all that a node has saved besides tensors."""
    names = (
        [key.removeprefix("_saved_") for key in dir(node) if key.startswith("_saved_")] if SAVED_VALUES.there else []
    )
    return [name for name in names if not hasattr(node, f"_raw_saved_{name}")]


SHAPES = Capability(
    Message("this torch does not tell the shapes of intermediate results: numbers that need them are left out"),
    metadata="torch:_C._functions.ExpBackward0._input_metadata",
)
outputs_of: Callable[[Any], Sequence[Any]] = attrgetter("_input_metadata") if SHAPES.there else lambda node: ()
"""Shape, type and device of each output of the operation that a node belongs to."""


CUSTOM_FUNCTIONS = Capability(
    Message("this torch does not show custom autograd functions: they appear as operations without a place"),
    forward="torch.autograd.function:Function._backward_cls._forward_cls",
)


def custom_function(node: Any) -> Any:
    """The `torch.autograd.Function` written in Python that a node belongs to; None for torch's own operations."""
    return getattr(type(node), "_forward_cls", None) if CUSTOM_FUNCTIONS.there else None


VERSIONS = Capability(
    Message("this torch does not count writes to tensors: what is done without an optimizer may be missed"),
    version="torch:Tensor._version",
)
version_of: Callable[[Tensor], int | None] = attrgetter("_version") if VERSIONS.there else _nothing
"""How often a tensor has been written to in place; None where that is not counted."""


GRAPH_TASK = Capability(
    Message("this torch does not tell which backward pass is running: recurrent layers were not read"),
    task="torch:_C._current_graph_task_id",
)
current_task: Callable[[], int] = GRAPH_TASK.get("task", lambda: -1)
"""The id of the backward pass that runs on this thread; -1 outside of all."""


CURRENT_NODE = Capability(
    Message("this torch does not tell which operation is running: operations inside checkpoints have no place"),
    node="torch:_C._current_autograd_node",
)
current_node: Callable[[], Any] = CURRENT_NODE.get("node", _nothing)
"""The node whose backward runs on this thread."""


FUNCTORCH = Capability(
    Message("this torch does not tell what runs inside vmap and other transforms: such passes may be missing"),
    interpreter="torch:_C._functorch.peek_interpreter_stack",
    wrapped="torch:_C._functorch.is_functorch_wrapped_tensor",
)
in_transform: Callable[[], object | None] = FUNCTORCH.get("interpreter", _nothing)
"""What is not None inside vmap and the like, where no value can be read."""
is_transformed: Callable[[Tensor], bool] = FUNCTORCH.get("wrapped", lambda tensor: False)
"""True for a tensor that stands for many, inside vmap and the like."""


CLIPPING = Capability(
    Message("this torch clips gradients in another way: clipping by norm was not read"),
    clip="torch.nn.utils.clip_grad:_clip_grads_with_norm_",
)
CLIP = "_clip_grads_with_norm_"
"""What `clip_grad_norm_` calls, in `torch.nn.utils.clip_grad`."""


STEP_COUNTER = Capability(
    Message("this torch calls nothing at the end of a step: counting steps costs more time"),
    code="torch.optim:Optimizer._optimizer_step_code",
)
STEP_CODE = "_optimizer_step_code"
"""A method of optimizers that does nothing: torch calls it at the end of every step, so that profilers find it."""


PROFILER = Capability(
    Message("this torch does not tell whether its profiler runs: watching costs more time"),
    enabled="torch:_C._autograd._profiler_enabled",
    record="torch:_C._autograd._enable_record_function",
)
profiled: Callable[[], bool] = PROFILER.get("enabled", lambda: True)
"""True while torch's profiler runs, which is to find in a step what it always finds there."""
record_operations: Callable[[bool], None] = PROFILER.get("record", _nothing)
"""Switches on and off whether this thread tells the profiler of operations."""


FOREACH = Capability(
    Message("this torch does not measure many tensors at once: gradient norms cost more time"),
    norm="torch:_foreach_norm",
    multiply="torch:_foreach_mul_",
)


def norms(tensors: Sequence[Tensor], order: float, dtype: torch.dtype | None = None) -> list[Tensor]:
    """The vector norm of each of some tensors."""
    one_by_one = lambda *_: [torch.linalg.vector_norm(t, order, dtype=dtype) for t in tensors]  # noqa: E731
    return list(FOREACH.get("norm", one_by_one)(list(tensors), order, dtype))


def multiply_all(tensors: Sequence[Tensor], factor: float) -> None:
    """Multiply each of some tensors in place."""
    FOREACH.get("multiply", lambda some, by: [t.mul_(by) for t in some])(list(tensors), factor)


FUNCTION_STACK = Capability(
    Message("this torch does not show which function modes are active: remedies inside the forward pass are refused"),
    depth="torch:_C._len_torch_function_stack",
    mode="torch:_C._get_function_stack_at",
    engine="torch:autograd._engine_run_backward",
    disabled="torch:_C.DisableTorchFunction",
)
ENGINE = "_engine_run_backward"
"""What all of `torch.autograd` runs a backward pass by."""
function_depth: Callable[[], int] = FUNCTION_STACK.get("depth", int)
"""How many modes hear of calls of torch's functions."""
without_functions: Callable[[], AbstractContextManager[Any]] = FUNCTION_STACK.get("disabled", nullcontext)
"""A block in which function modes hear of nothing."""


def function_modes() -> list[Any]:
    """The function modes that are entered, the outermost first."""
    at = FUNCTION_STACK.get("mode", _nothing)
    return [at(i) for i in range(function_depth())]


LINES = Capability(
    Message("this torch does not tell where operations are made: they have no lines"),
    where="torch.fx.traceback:format_stack",
    kept="torch.fx.traceback:has_preserved_node_meta",
    switch="torch:_C.set_anomaly_enabled",
    check_nan="torch:is_anomaly_check_nan_enabled",
    metadata="torch:_C._functions.ExpBackward0.metadata",
)
set_anomaly: Callable[[bool, bool], None] = LINES.get("switch", _nothing)
"""Switches anomaly mode, and whether it looks for NaN."""
LINE_KEY = "traceback_"
"""Where autograd keeps in a node's metadata what `torch.fx.traceback.format_stack` has told it."""


class _NoDispatch:
    """Stands in for torch's dispatch mode where there is none to inherit from."""

    def __init__(self) -> None:
        raise ProbeError(f"torch {torch.__version__} has no dispatch modes: nothing can be predicted or initialized")


DISPATCH = Capability(
    Message("this torch has no dispatch modes: nothing can be predicted from a batch, and gm.init does not work"),
    mode="torch.utils._python_dispatch:TorchDispatchMode",
    disable="torch.utils._python_dispatch:_disable_current_modes",
    depth="torch:_C._len_torch_dispatch_stack",
)
DispatchMode: Any = DISPATCH.get("mode", _NoDispatch)
"""What hears of operations as torch dispatches them."""
without_modes: Callable[[], AbstractContextManager[Any]] = DISPATCH.get("disable", nullcontext)
"""A block in which dispatch modes hear of nothing."""
dispatch_depth: Callable[[], int] = DISPATCH.get("depth", int)
"""How many modes hear of operations as torch dispatches them."""

COMPILER = Capability(
    Message("this torch does not let its compiler be put aside: it may compile some of what gradmedic does"),
    swap="torch:_C._dynamo.eval_frame.set_eval_frame",
)
swap_compiler: Callable[[Any], Any] = COMPILER.get("swap", _nothing)
"""Puts what compiles the frames of this thread in the place of what did, which it gives back; None for nothing."""


MODULE_HOOKS = Capability(
    Message("this torch keeps hooks of modules elsewhere: some memory of recurrent layers is freed late"),
    with_kwargs="torch.nn.modules.module:_global_forward_hooks_with_kwargs",
    before="torch.nn.modules.module:_global_forward_pre_hooks",
)


def forget_hook(number: int) -> None:
    """Drop what torch keeps of a removed hook on all modules."""
    MODULE_HOOKS.get("with_kwargs", {}).pop(number, None)


MODULE_CALLS = Capability(
    Message("this torch calls modules in another way: in steps that are read, tracebacks have a line of torch's more"),
    call="torch.nn:Module._call_impl",
)

# What objects have or have not, each by itself.


def pre_hooks(module: nn.Module) -> Iterator[Any]:
    """What is called before a module's forward."""
    hooks: Mapping[int, Any] = vars(module).get("_forward_pre_hooks", {})
    return iter(hooks.values())


def unwrapped(model: nn.Module) -> nn.Module:
    """The model that `torch.compile` has wrapped, or the model itself."""
    return getattr(model, "_orig_mod", model)


def is_flat(parameter: Tensor) -> bool:
    """True for the parameters of a whole FSDP unit in one."""
    return bool(getattr(parameter, "_is_flat_param", False))


states_of: Callable[[Any], Mapping[int, Any]] = attrgetter("_per_optimizer_states")
"""What a GradScaler knows of each optimizer, by its id."""
