"""Where a script computes an operation, in whichever of the ways in which that can be written."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from gradmedic.treatment.patching.script.imports import ImportedNames
from gradmedic.treatment.patching.script.source import ParsedScript
from gradmedic.treatment.patching.script.training_loop import argument, method


class Form(Enum):
    """How an operation is written."""

    FUNCTION = "torch.sigmoid(x)"
    METHOD = "x.sigmoid()"
    OPERATOR = "x ** 2"
    MODULE = "nn.Sigmoid()"
    CLASS = "nn.Sigmoid"


OPERATORS: Mapping[type[ast.operator], str] = {ast.Pow: "pow", ast.Div: "div", ast.Mult: "mul", ast.MatMult: "matmul"}
ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("clip", "clamp_min", "clamp_max"), "clamp"),
    **dict.fromkeys(("divide", "true_divide"), "div"),
    **dict.fromkeys(("multiply",), "mul"),
    **dict.fromkeys(("mm", "mv"), "matmul"),
    **dict.fromkeys(("vector_norm", "matrix_norm"), "norm"),
    "expit": "sigmoid",
    "arccos": "acos",
    "arcsin": "asin",
    "arctanh": "atanh",
    "logsigmoid": "log_sigmoid",
    "scaled_dot_product_attention": "sdpa",
}
CONVOLUTIONS = ("Conv1d", "Conv2d", "Conv3d")
FUNCTIONS = ("torch", "torch.nn.functional", "torch.special", "torch.linalg")


@dataclass(frozen=True, eq=False)
class OperationUse:
    """One place where an operation is written."""

    op: str
    node: ast.expr
    form: Form
    operand: ast.expr | None = None
    """What it is applied to; a module is not told that where it is made."""

    @property
    def is_call(self) -> bool:
        """True where it is computed here; a module is only made here."""
        return self.form not in (Form.MODULE, Form.CLASS)

    @property
    def line(self) -> int:
        """The line that Python names as that of the call: in a chain of methods over several lines each has its own."""
        if isinstance(self.node, ast.Call) and isinstance(self.node.func, ast.Attribute) and not self.node.keywords:
            return self.node.func.end_lineno or self.node.lineno
        return self.node.lineno


def op_of(name: str) -> str:
    """The operation behind the name of a function or a method."""
    bare = name.strip("_")
    return ALIASES.get(bare, bare)


def same_op(kind: str, op: str) -> bool:
    """True if a module's class computes an operation: `LeakyReLU` is leaky_relu."""
    return kind.lower().replace("_", "") == op.lower().replace("_", "") or (op == "conv" and kind in CONVOLUTIONS)


def uses(words: ImportedNames, op: str) -> list[OperationUse]:
    """All places where an operation is written, in the order in which Python comes to them."""
    return [use for node in evaluated(words.source.tree) if (use := _use(words, node, op)) is not None]


def evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes, those inside of a call before the call; f-strings left out."""
    if not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from evaluated(child)
        yield node


def _use(words: ImportedNames, node: ast.AST, op: str) -> OperationUse | None:
    if isinstance(node, ast.BinOp) and OPERATORS.get(type(node.op)) == op:
        return OperationUse(op, node, Form.OPERATOR, node.left)
    if isinstance(node, ast.Call):
        return _call(words, node, op)
    if isinstance(node, ast.Attribute | ast.Name) and not _is_called(words.source, node):
        stem, _, name = words.torch(node).rpartition(".")
        if stem == "torch.nn" and same_op(name, op):
            return OperationUse(op, node, Form.CLASS)
    return None


def _call(words: ImportedNames, call: ast.Call, op: str) -> OperationUse | None:
    full = words.torch(call.func)
    stem, _, name = full.rpartition(".")
    if stem == "torch.nn" and same_op(name, op):
        return OperationUse(op, call, Form.MODULE)
    if stem in FUNCTIONS and op_of(name) == op:
        return OperationUse(op, call, Form.FUNCTION, argument(call, 0, "input", "self"))
    if not full and isinstance(call.func, ast.Attribute) and op_of(method(call)) == op:
        receiver = call.func.value
        is_own = isinstance(receiver, ast.Name) and (receiver.id == "self" or receiver.id in words.imported)
        return None if is_own else OperationUse(op, call, Form.METHOD, receiver)
    return None


def _is_called(source: ParsedScript, node: ast.AST) -> bool:
    """True for what a call calls, and for the beginning of a longer name."""
    parent = source.parents[node]
    return (isinstance(parent, ast.Call) and parent.func is node) or isinstance(parent, ast.Attribute)
