"""Where a script makes the module of a path: `body.1` is the second entry of `self.body = nn.Sequential(...)`."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradmedic.patching.training import method
from gradmedic.patching.words import Words

LISTS = ("torch.nn.Sequential", "torch.nn.ModuleList")
PASSING = ("to", "cuda", "cpu", "train", "eval", "float", "double", "half", "requires_grad_")
"""Methods that give their module back."""


@dataclass(frozen=True)
class Builds:
    """How the modules of a script are put together, as far as that is written out."""

    words: Words

    def at(self, path: str) -> ast.expr | None:
        """The expression that makes the module of a path; None where that is not plain."""
        parts = path.split(".") if path else []
        found = {id(node): node for root in self._roots() for node in self._from(root, parts) if node is not None}
        return found.popitem()[1] if len(found) == 1 else None

    def _roots(self) -> Iterator[tuple[str, ast.expr]]:
        """Everything that a variable of the script is given and that may be a model."""
        for node in self.words.source.nodes():
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                made = self._bare(node.value)
                if isinstance(made, ast.Call) and (self._class(made) or self._is_list(made)):
                    yield node.targets[0].id, made

    def _from(self, root: tuple[str, ast.expr], parts: Sequence[str]) -> list[ast.expr | None]:
        """What a path leads to from a variable; where there are several models it begins with its name."""
        name, made = root
        ways = [self._step(made, parts)]
        if parts and parts[0] == name:
            ways.append(self._step(made, parts[1:]))
        return ways

    def _step(self, made: ast.expr | None, parts: Sequence[str]) -> ast.expr | None:
        made = self._bare(made)
        if made is None or not parts:
            return made
        if isinstance(made, ast.Call) and self._is_list(made):
            return self._step(self._entry(made.args, parts[0]), parts[1:])
        kind = self._class(made) if isinstance(made, ast.Call) else None
        return self._step(self._attribute(kind, parts[0]), parts[1:]) if kind is not None else None

    def _entry(self, args: Sequence[ast.expr], part: str) -> ast.expr | None:
        """An entry of a Sequential or a ModuleList."""
        if len(args) == 1 and not isinstance(args[0], ast.Call | ast.Name | ast.Attribute):
            inner = args[0].value if isinstance(args[0], ast.Starred) else args[0]
            args = inner.elts if isinstance(inner, ast.List | ast.Tuple) else [inner]
            if isinstance(inner, ast.ListComp | ast.GeneratorExp):
                return _repeated(inner, part)
        if not part.isdigit():
            return None
        return None if any(isinstance(a, ast.Starred) for a in args[: int(part) + 1]) else _nth(args, int(part))

    def _attribute(self, kind: ast.ClassDef, name: str) -> ast.expr | None:
        """What `self.name` is set to in a class, if that is done in one place."""
        found = [
            node.value
            for node in self.words.source.nodes(kind)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Attribute) and self.words.source.read(target) == f"self.{name}"
        ]
        return found[0] if len(found) == 1 else None

    def kind(self, made: ast.expr) -> ast.ClassDef | None:
        """The class of the script that an expression makes something of, if it is one."""
        bare = self._bare(made)
        return self._class(bare) if isinstance(bare, ast.Call) else None

    def _class(self, made: ast.Call) -> ast.ClassDef | None:
        """The class of the script that a call makes something of."""
        name = made.func.id if isinstance(made.func, ast.Name) else ""
        nodes = (node for node in self.words.source.nodes() if isinstance(node, ast.ClassDef) and node.name == name)
        found = list(nodes)
        return found[0] if len(found) == 1 else None

    def _is_list(self, made: ast.Call) -> bool:
        return self.words.torch(made.func) in LISTS

    def _bare(self, made: ast.expr | None) -> ast.expr | None:
        """What is made, without `.to(device)`, torch.compile and the like around it; of a variable, its value."""
        while isinstance(made, ast.Call):
            if method(made) in PASSING and not self.words.full(made.func):
                made = made.func.value  # type: ignore[attr-defined]
            elif self.words.torch(made.func) in ("torch.compile", "torch.nn.DataParallel") and made.args:
                made = made.args[0]
            else:
                return made
        return self._value(made) if isinstance(made, ast.Name) else made

    def _value(self, name: ast.Name) -> ast.expr | None:
        """What a variable is given, if it is given something once."""
        stores = [
            node
            for node in self.words.source.nodes()
            if isinstance(node, ast.Name) and node.id == name.id and isinstance(node.ctx, ast.Store)
        ]
        statement = self.words.source.parents[stores[0]] if len(stores) == 1 else None
        is_plain = isinstance(statement, ast.Assign) and statement.targets == stores
        return statement.value if is_plain and isinstance(statement, ast.Assign) else None


def _nth(args: Sequence[ast.expr], at: int) -> ast.expr | None:
    return args[at] if at < len(args) else None


def _repeated(made: ast.ListComp | ast.GeneratorExp, part: str) -> ast.expr | None:
    """The expression that makes an entry of a comprehension; all entries have one, or take turns."""
    last = made.generators[-1]
    is_turn = isinstance(made.elt, ast.Name) and isinstance(last.target, ast.Name) and made.elt.id == last.target.id
    if not is_turn:
        return made.elt
    turns = last.iter.elts if isinstance(last.iter, ast.Tuple | ast.List) and not last.ifs else []
    if not turns or not part.isdigit() or any(isinstance(one, ast.Starred) for one in turns):
        return None
    return turns[int(part) % len(turns)]
