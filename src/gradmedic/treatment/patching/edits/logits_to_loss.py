"""Losses that get what they ask for: logits, or their logarithms."""

import ast
from collections.abc import Callable, Mapping
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.edits.activation import Target, swapped_use
from gradmedic.treatment.patching.script.imports import ImportedNames
from gradmedic.treatment.patching.script.module_construction import Builds
from gradmedic.treatment.patching.script.operation_uses import Form, OperationUse, uses
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import Training

LOSSES: Mapping[str, str] = {
    "torch.nn.CrossEntropyLoss": "cross-entropy",
    "torch.nn.functional.cross_entropy": "cross-entropy",
    "torch.nn.NLLLoss": "likelihood",
    "torch.nn.functional.nll_loss": "likelihood",
    "torch.nn.BCEWithLogitsLoss": "binary",
    "torch.nn.functional.binary_cross_entropy_with_logits": "binary",
    "torch.nn.BCELoss": "probability",
    "torch.nn.functional.binary_cross_entropy": "probability",
}
BOUNDED = ("relu", "relu6", "tanh", "hardsigmoid", "clamp", "hardtanh")
"""Ends of a model that are no sigmoid, and yet are taken for a probability."""


class Loss(Edit):
    """Leaves out a doubled softmax, takes the binary loss without its own sigmoid, and gives logarithms to NLL."""

    name: ClassVar[str] = "loss"
    remedies: ClassVar[tuple[str, ...]] = ("logits-to-loss",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        words = ImportedNames(source)
        found = [(kind, node) for node in source.nodes() if (kind := LOSSES.get(words.torch(node)))]
        kinds = {kind for kind, _ in found}
        if len(kinds) != 1:
            raise UnsureError(Message("it is not plain which loss is meant"))
        losses = [node for _, node in found]
        return EDITS[kinds.pop()](words, losses)


def _logits(words: ImportedNames, losses: list[ast.AST]) -> list[TextEdit]:
    """No softmax before a cross-entropy, where it is the only one in the script."""
    use = _only(words, ("softmax", "log_softmax"), losses)
    _refuse_thresholds(words)
    return swapped_use(words, use, Target.parse("identity"))


def _logarithms(words: ImportedNames, losses: list[ast.AST]) -> list[TextEdit]:
    """A log-softmax before a negative log-likelihood; of raw numbers, the cross-entropy, which contains it."""
    if uses(words, "log_softmax") or uses(words, "log"):
        raise UnsureError(Message("it is not plain what the loss is given"))
    if uses(words, "softmax"):
        use = _only(words, ("softmax",), losses)
        _refuse_thresholds(words)
        return _renamed(words, use, "torch.nn.LogSoftmax", "log_softmax")
    return _others(words, losses)


def _probabilities(words: ImportedNames, losses: list[ast.AST]) -> list[TextEdit]:
    """The binary cross-entropy of probabilities: whoever else uses them still finds them."""
    if not uses(words, "sigmoid"):
        raise UnsureError(Message("it is not plain what the loss is given"))
    for node in losses:
        call = words.source.parents[node]
        if isinstance(call, ast.Call) and any(one.arg == "pos_weight" for one in call.keywords):
            raise UnsureError(Message("line {line} weighs the classes", {"line": call.lineno}))
    return _others(words, losses)


def _unbounded(words: ImportedNames, losses: list[ast.AST]) -> list[TextEdit]:
    """The binary loss of logits, and no bounds at the end of the model; not where that is a sigmoid."""
    if uses(words, "sigmoid"):
        raise UnsureError(Message("it is not plain what the loss is given"))
    use = _only(words, BOUNDED, losses)
    _refuse_thresholds(words)
    return [*swapped_use(words, use, Target.parse("identity")), *_others(words, losses)]


def _others(words: ImportedNames, losses: list[ast.AST]) -> list[TextEdit]:
    """The loss that takes the other kind of input, wherever one is named."""
    return [change for node in losses for change in _written(words, node, OTHER[words.torch(node)])]


OTHER: Mapping[str, str] = {
    "torch.nn.NLLLoss": "torch.nn.CrossEntropyLoss",
    "torch.nn.functional.nll_loss": "torch.nn.functional.cross_entropy",
    "torch.nn.BCEWithLogitsLoss": "torch.nn.BCELoss",
    "torch.nn.functional.binary_cross_entropy_with_logits": "torch.nn.functional.binary_cross_entropy",
    "torch.nn.BCELoss": "torch.nn.BCEWithLogitsLoss",
    "torch.nn.functional.binary_cross_entropy": "torch.nn.functional.binary_cross_entropy_with_logits",
}
EDITS: Mapping[str, Callable[[ImportedNames, list[ast.AST]], list[TextEdit]]] = {
    "cross-entropy": _logits,
    "likelihood": _logarithms,
    "binary": _probabilities,
    "probability": _unbounded,
}


def _only(words: ImportedNames, ops: tuple[str, ...], losses: list[ast.AST]) -> OperationUse:
    """The softmax before the loss: the last thing that the model does, or what the loss is called with."""
    found = [use for op in ops for use in uses(words, op)]
    last = [use for use in found if _is_last(words, use, losses)]
    if len(last) != 1 or not _is_seen_last(words.source, last[0].op):
        raise UnsureError(Message("it is not plain what stands before the loss"))
    return last[0]


def _is_last(words: ImportedNames, use: OperationUse, losses: list[ast.AST]) -> bool:
    """True for the end of the model that is trained, and for what is handed to the loss."""
    source, node = words.source, use.node
    parent = source.parents[node]
    if isinstance(parent, ast.Call) and parent.func in losses:
        return node in parent.args
    while isinstance(parent, ast.Call) and parent.args[-1:] == [node] and _is_sequential(words, parent):
        node, parent = parent, source.parents[parent]
    if use.is_call:
        return isinstance(parent, ast.Return) and _is_model(words, parent)
    return _is_model(words, node) and (words.within(node) is None or _is_returned(source, parent))


def _is_sequential(words: ImportedNames, call: ast.Call) -> bool:
    return words.torch(call.func) == "torch.nn.Sequential"


def _is_returned(source: ParsedScript, parent: ast.AST) -> bool:
    """True for a module that is set as an attribute, and whose result is always what a method returns."""
    if not isinstance(parent, ast.Assign):
        return False
    name = source.read(parent.targets[0])
    calls = [call for call in source.calls() if source.read(call.func) == name]
    return bool(calls) and all(isinstance(source.parents[one], ast.Return) for one in calls)


def _is_model(words: ImportedNames, node: ast.AST) -> bool:
    """True inside of what makes the model that is trained: its class, or the expression that its variable is given."""
    training = Training(words.source)
    model, _ = training.the_model()
    given = [n for n in words.source.nodes() if isinstance(n, ast.Assign) and words.source.read(n.targets[0]) == model]
    if len(given) != 1:
        return False
    owner = words.within(node)
    made = Builds(words).kind(given[0].value)
    return owner is made if owner is not None else given[0] in words.source.around(node)


def _is_seen_last(source: ParsedScript, op: str) -> bool:
    """False where the script was seen to run, and no such operation stood between the last weights and the loss."""
    sites = source.recording.sites.values() if source.recording is not None else ()
    return not sites or any(site.op == op and site.tail for site in sites)


def _refuse_thresholds(words: ImportedNames) -> None:
    """Refuse where the script compares something with a probability: it counts on what would be left out."""
    for node in words.source.nodes():
        if isinstance(node, ast.Compare):
            for one in (node.left, *node.comparators):
                if isinstance(one, ast.Constant) and isinstance(one.value, float) and 0 < one.value < 1:
                    raise UnsureError(Message("line {line} counts on probabilities", {"line": node.lineno}))


def _renamed(words: ImportedNames, use: OperationUse, module: str, function: str = "") -> list[TextEdit]:
    """Another module, or another function with the same arguments."""
    call: ast.Call = use.node  # type: ignore[assignment]
    if use.form is Form.MODULE:
        return _written(words, call.func, module)
    if use.form is Form.METHOD and isinstance(call.func, ast.Attribute):
        end = words.source.span(call.func)[1]
        return [TextEdit(end - len(call.func.attr), end, function)]
    return _written(words, call.func, f"{words.torch(call.func).rpartition('.')[0]}.{function}")


def _written(words: ImportedNames, node: ast.AST, full: str) -> list[TextEdit]:
    """Another name of torch's, with the beginning that the script has used for the old one."""
    if isinstance(node, ast.Attribute):
        end = words.source.span(node)[1]
        return [TextEdit(end - len(node.attr), end, full.rpartition(".")[2])]
    name = words.spelled(full)
    return [words.source.replace(node, name), *words.needed(name)]
