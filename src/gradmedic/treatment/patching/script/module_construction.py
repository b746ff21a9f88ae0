"""Where a script makes the module of a path: `body.1` is the second entry of `self.body = nn.Sequential(...)`."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradmedic.treatment.patching.script.imports import ImportedNames
from gradmedic.treatment.patching.script.layer_lists import AppendedEntries, entry, is_extended, parts_of, written_parts
from gradmedic.treatment.patching.script.training_loop import method

LISTS = ("torch.nn.Sequential", "torch.nn.ModuleList")
WRAPS = ("torch.compile", "torch.nn.DataParallel", "torch.nn.parallel.DistributedDataParallel")
PASSING = ("to", "cuda", "cpu", "train", "eval", "float", "double", "half", "requires_grad_")
"""Methods that give their module back."""
DEEP = 9
"""Variables and functions that are looked through for a module, at the most."""


@dataclass(frozen=True)
class Builds:
    """How the modules of a script are put together, as far as that is written out."""

    words: ImportedNames

    def at(self, path: str) -> ast.expr | None:
        """The expression that makes the module of a path; None where that is not plain."""
        parts = tuple(path.split(".")) if path else ()
        found = {id(node): node for root in self._roots() for node in self._from(root, parts) if node is not None}
        return found.popitem()[1] if len(found) == 1 else None

    def entries(self, path: str) -> list[ast.expr] | None:
        """The expressions that make the entries of the list at a path, each once; None where that is not plain."""
        made = self.at(path)
        parts = self._parts(made) if isinstance(made, ast.Call) and self._is_list(made) else None
        return [one for part in parts for one in part.entries] if parts is not None else None

    def kind(self, made: ast.expr) -> ast.ClassDef | None:
        """The class of the script that an expression makes something of, if it is one."""
        bare = self._bare(made)
        return self._class(bare) if isinstance(bare, ast.Call) else None

    def _roots(self) -> list[tuple[str, ast.expr]]:
        """What the variables of the script are given that may be models; if some of these are trained, only they."""
        found: list[tuple[str, ast.expr]] = []
        for node in self.words.source.nodes():
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                made = self._bare(node.value)
                if isinstance(made, ast.Call) and (self._class(made) or self._is_list(made)):
                    found.append((node.targets[0].id, made))
        trained = [root for root in found if f"{root[0]}.parameters()" in self.words.source.text]
        return trained or found

    def _from(self, root: tuple[str, ast.expr], path: tuple[str, ...]) -> Iterator[ast.expr | None]:
        """What a path leads to from a variable; where there are several models it begins with its name."""
        name, made = root
        yield self._step(made, path, ())
        if path[:1] == (name,):
            yield self._step(made, path[1:], path[:1])

    def _step(self, made: ast.expr | None, path: tuple[str, ...], gone: tuple[str, ...]) -> ast.expr | None:
        """What the rest of a path leads to, behind those parts of it that are gone."""
        made = self._bare(made)
        if not isinstance(made, ast.Call) or not path:
            return None if path or self._is_argument(made) else made
        if self._is_list(made):
            inner = self._entry(made, path[0], gone)
        else:
            kind = self._class(made)
            inner = self._attribute(kind, path[0]) if kind is not None else None
        return self._step(inner, path[1:], (*gone, path[0]))

    def _entry(self, made: ast.Call, part: str, gone: tuple[str, ...]) -> ast.expr | None:
        """An entry of a Sequential or a ModuleList, with those that are added later."""
        parts = self._parts(made)
        if parts is not None and len(parts) == len(parts[0].entries) == 1 and parts[0].loop is not None:
            return parts[0].entries[0]  # all of them are made alike, whatever their number
        return entry(parts, int(part), self._count(gone)) if parts is not None and part.isdigit() else None

    def _parts(self, made: ast.Call) -> list[AppendedEntries] | None:
        """What a Sequential or a ModuleList consists of."""
        source, parent = self.words.source, self.words.source.parents[made]
        name = source.read(parent.targets[0]) if isinstance(parent, ast.Assign) else ""
        return parts_of(source, name, made) if is_extended(source, name, made) else written_parts(source, made.args)

    def _count(self, gone: tuple[str, ...]) -> int | None:
        """How many entries the list at a path was seen to have."""
        recording, depth = self.words.source.recording, len(gone)
        if recording is None:
            return None
        paths = [site.module for site in recording.sites.values()] + [p.name for p in recording.parameters.values()]
        split = [tuple(path.split(".")) for path in paths]
        found = [
            int(one[depth]) for one in split if one[:depth] == gone and one[depth : depth + 1] and one[depth].isdigit()
        ]
        return max(found) + 1 if found else None

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

    def _class(self, made: ast.Call) -> ast.ClassDef | None:
        """The class of the script that a call makes something of."""
        found = self._defined(made)
        return found if isinstance(found, ast.ClassDef) else None

    def _defined(self, made: ast.Call) -> ast.ClassDef | ast.FunctionDef | None:
        name = made.func.id if isinstance(made.func, ast.Name) else ""
        nodes = (node for node in self.words.source.nodes() if isinstance(node, ast.ClassDef | ast.FunctionDef))
        found = [node for node in nodes if node.name == name]
        return found[0] if len(found) == 1 else None

    def _is_argument(self, made: ast.expr | None) -> bool:
        """True for `act()`, where `act` is something that a function was given."""
        func = made.func if isinstance(made, ast.Call) else None
        return isinstance(func, ast.Name) and not self.words.full(func) and self._class(made) is None  # type: ignore[arg-type]

    def _is_list(self, made: ast.Call) -> bool:
        return self.words.torch(made.func) in LISTS

    def _bare(self, made: ast.expr | None) -> ast.expr | None:
        """What is made, without `.to(device)` and the like; for a variable its value, for a function its result."""
        for _ in range(DEEP):
            if isinstance(made, ast.Name):
                made = self.value(made)
            elif not isinstance(made, ast.Call):
                return made
            elif method(made) in PASSING and not self.words.full(made.func):
                made = made.func.value  # type: ignore[attr-defined]
            elif self.words.torch(made.func) in WRAPS and made.args:
                made = made.args[0]
            elif isinstance(function := self._defined(made), ast.FunctionDef):
                made = _result(function)
            else:
                return made
        return None

    def value(self, name: ast.Name) -> ast.expr | None:
        """What a variable is given, if it is given something once: in its own function, or else in the script."""
        source = self.words.source
        nodes = [node for node in source.nodes() if isinstance(node, ast.Name) and node.id == name.id]
        stores = [node for node in nodes if isinstance(node.ctx, ast.Store)]
        near = [node for node in stores if source.scope(node) is source.scope(name)]
        stores = near or [node for node in stores if source.scope(node) is source.tree]
        statement = source.parents[stores[0]] if len(stores) == 1 else None
        is_plain = isinstance(statement, ast.Assign) and statement.targets == stores
        return statement.value if is_plain and isinstance(statement, ast.Assign) else None


def _result(function: ast.FunctionDef) -> ast.expr | None:
    """What a function returns, if it does so in one place."""
    found: Sequence[ast.Return] = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
    return found[0].value if len(found) == 1 else None
