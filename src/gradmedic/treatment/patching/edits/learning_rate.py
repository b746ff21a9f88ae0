"""The learning rate, where the script writes it."""

import ast
from collections.abc import Iterator, Mapping
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.script.call_arguments import refuse_unpacked, with_argument
from gradmedic.treatment.patching.script.literals import literal, shown, times, value
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import OptimizerCreation, Training, argument

USUAL: Mapping[str, float] = {
    **dict.fromkeys(("SGD", "Adam", "AdamW", "RAdam", "SparseAdam", "Muon"), 1e-3),
    **dict.fromkeys(("Adamax", "NAdam"), 2e-3),
    **dict.fromkeys(("RMSprop", "Adagrad", "Rprop", "ASGD", "Adafactor"), 1e-2),
    **dict.fromkeys(("Adadelta", "LBFGS"), 1.0),
}
"""The learning rates of optimizers that are given none (PyTorch 2.6 to 2.13)."""

ABSOLUTE: Mapping[str, tuple[tuple[int, str], ...]] = {
    "OneCycleLR": ((1, "max_lr"),),
    "CyclicLR": ((1, "base_lr"), (2, "max_lr")),
    "CosineAnnealingLR": ((2, "eta_min"),),
    "CosineAnnealingWarmRestarts": ((3, "eta_min"),),
    "ReduceLROnPlateau": ((6, "min_lr"),),
}
"""Arguments of schedulers that are rates, and not factors on the optimizer's rate."""


class Rate(Edit):
    """Multiplies every learning rate where it is written: in optimizers, their groups, and schedulers."""

    name: ClassVar[str] = "rate"
    remedies: ClassVar[tuple[str, ...]] = ("learning-rate",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        training, factor = Training(source), order.number("factor")
        if source.is_other:
            raise UnsureError(Message("the script has changed since it was treated, its learning rate perhaps with it"))
        refuse_set(source)
        found = list(_rates(training)) if training.made else _by_hand(source)
        made = [times(source, node, factor) for node in found]
        bare = [one for one in training.made if argument(one.call, 1, "lr") is None]
        return list(dict.fromkeys([*made, *(_with_rate(training, one, factor) for one in bare)]))


def _rates(training: Training) -> Iterator[ast.expr]:
    for made in training.the_made():
        refuse_unpacked(made.call)
        rate = argument(made.call, 1, "lr")
        if rate is not None:
            yield rate
        yield from rates_of_groups(training.source, made)
    yield from absolute(training)


def rates_of_groups(source: ParsedScript, made: OptimizerCreation) -> Iterator[ast.expr]:
    """The rates that are written for groups of parameters: `[{"params": ..., "lr": 0.1}]`."""
    groups = [node for node in source.nodes() if isinstance(node, ast.Dict)]
    for group in groups:
        keys = [key.value if isinstance(key, ast.Constant) else None for key in group.keys]
        if "lr" in keys and "params" in keys:
            if made.call not in source.around(group):
                raise UnsureError(Message("line {line} sets a learning rate for a group", {"line": group.lineno}))
            yield group.values[keys.index("lr")]


def absolute(training: Training) -> Iterator[ast.expr]:
    """The rates that are written for schedulers."""
    for call in training.schedulers:
        refuse_unpacked(call)
        for position, keyword in ABSOLUTE.get(training.words.torch(call.func).rpartition(".")[2], ()):
            rate = argument(call, position, keyword)
            if isinstance(rate, ast.List | ast.Tuple):
                yield from rate.elts
            elif rate is not None and not (literal(rate) and value(rate) == 0):
                yield rate


def refuse_set(source: ParsedScript) -> None:
    """Refuse where the script writes rates into an optimizer: those that it is made with do not last."""
    for node in source.nodes():
        if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Store):
            continue
        if isinstance(node.slice, ast.Constant) and node.slice.value == "lr":
            statement = source.parents[node]
            if not (isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Mult | ast.Div)):
                raise UnsureError(Message("line {line} sets the learning rate", {"line": node.lineno}))


def _with_rate(training: Training, made: OptimizerCreation, factor: float) -> TextEdit:
    if made.kind not in USUAL:
        raise UnsureError(Message("the usual learning rate of {kind} is not known", {"kind": made.kind}))
    return with_argument(training.source, made.call, f"lr={shown(USUAL[made.kind] * factor)}")


def _by_hand(source: ParsedScript) -> list[ast.expr]:
    """The rates of steps that are made by hand: `p -= 0.05 * p.grad`."""
    found = []
    for node in source.nodes():
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub) and _without_gradient(source, node):
            if not isinstance(node.value, ast.BinOp) or not isinstance(node.value.op, ast.Mult):
                raise UnsureError(Message("line {line} steps without a plain learning rate", {"line": node.lineno}))
            first, second = node.value.left, node.value.right
            found += [first if literal(first) or isinstance(first, ast.Name) else second]
    if not found or not all(literal(one) or isinstance(one, ast.Name) for one in found):
        raise UnsureError(Message("no learning rate is found in this script"))
    return found


def _without_gradient(source: ParsedScript, node: ast.AugAssign) -> bool:
    """True under no_grad, and for `.data`: where weights are moved."""
    if isinstance(node.target, ast.Attribute) and node.target.attr == "data":
        return True
    blocks = [one for one in source.around(node) if isinstance(one, ast.With)]
    return any("no_grad" in source.read(item.context_expr) for one in blocks for item in one.items)
