"""How a script calls what it imports: `nn.Sigmoid` there is torch.nn.Sigmoid here, and the other way round."""

import ast
from dataclasses import dataclass
from functools import cached_property

from gradmedic.base.messages import Message
from gradmedic.treatment.patching.script.source import Function, ParsedScript, TextEdit, UnsureError


@dataclass(frozen=True, eq=False)
class ImportedNames:
    """The imported names of a script."""

    source: ParsedScript

    @cached_property
    def imported(self) -> dict[str, str]:
        """What each imported name stands for; names that stand for several things, or are assigned to, are left out."""
        found: dict[str, set[str]] = {}
        for node in self.source.nodes():
            for name, full in imports_of(node):
                found.setdefault(name, set()).add(full)
        return {name: full.pop() for name, full in found.items() if len(full) == 1 and name not in self.assigned}

    @cached_property
    def everywhere(self) -> set[str]:
        """The imported names that are known in the whole script, and not in one function of it alone."""
        tops = [node for node in self.source.nodes() if isinstance(self.source.scope(node), ast.Module)]
        return {name for node in tops for name, _ in imports_of(node)} & set(self.imported)

    @cached_property
    def assigned(self) -> set[str]:
        """Every name that the script gives to something of its own."""
        names = {node.id for node in ast.walk(self.source.tree) if isinstance(node, ast.Name) and _is_bound(node)}
        names |= {node.arg for node in ast.walk(self.source.tree) if isinstance(node, ast.arg)}
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        return names | {node.name for node in ast.walk(self.source.tree) if isinstance(node, kinds)}

    @cached_property
    def taken(self) -> set[str]:
        """Every name that occurs in the script."""
        names = {node.id for node in ast.walk(self.source.tree) if isinstance(node, ast.Name)}
        return names | self.assigned | set(self.imported)

    def fresh(self, name: str, scope: ast.AST | None = None) -> str:
        """A name like this that is not in use: nowhere, or not in the one function, or outside of all, that is told."""
        taken = self.taken if scope is None else self.taken_in(scope)
        while name in taken:
            name += "_"
        return name

    def taken_in(self, scope: ast.AST) -> set[str]:
        """The names that mean something in a scope: those that occur there, and those that functions in it look up."""
        own: dict[ast.AST, set[str]] = {
            one: bound(one) for one in ast.walk(scope) if isinstance(one, Function) and one is not scope
        }
        seen = {
            node.id
            for node in ast.walk(scope)
            if isinstance(node, ast.Name) and not any(node.id in own.get(one, ()) for one in self.source.around(node))
        }
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        names = {node.name for node in ast.walk(scope) if isinstance(node, kinds)}
        return seen | names | set(self.imported) | {node.arg for node in _arguments(scope)}

    def full(self, node: ast.AST | None) -> str:
        """The full name behind an expression such as `nn.Sigmoid`; empty where it is no imported name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        stem = self.imported.get(node.id, "") if isinstance(node, ast.Name) else ""
        return ".".join([stem, *reversed(parts)]) if stem else ""

    def within(self, node: ast.AST) -> ast.ClassDef | None:
        """The class in whose methods a node stands."""
        return next((one for one in self.source.around(node) if isinstance(one, ast.ClassDef)), None)

    def torch(self, node: ast.AST | None) -> str:
        """The full name of something of torch's own; else empty."""
        name = self.full(node)
        return name if name.startswith("torch.") else ""

    def spelled(self, full: str) -> str:
        """A full name as this script would write it; raises `UnsureError` where `import torch` cannot be added."""
        ways = {}
        for name in self.everywhere:
            stands_for = self.imported[name]
            if full == stands_for or full.startswith(f"{stands_for}."):
                ways[name] = name + full.removeprefix(stands_for)
        if ways:
            return min(ways.values(), key=lambda way: (len(way), way))
        if full.partition(".")[0] in self.taken:
            raise UnsureError(Message("the name {name} means something else here", {"name": full.partition(".")[0]}))
        return full

    def needed(self, text: str) -> list[TextEdit]:
        """The imports that code needs which was written with `spelled`, as insertions."""
        roots = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
        return [self._import("import torch")] if "torch" in roots - self.taken else []

    def add_import(self, line: str) -> list[TextEdit]:
        """The insertion of an import, unless it is there."""
        [(name, full)] = imports_of(ast.parse(line).body[0])
        if self.imported.get(name) == full:
            return []
        if name in self.taken:
            raise UnsureError(Message("the name {name} means something else here", {"name": name}))
        return [self._import(line)]

    def _import(self, line: str) -> TextEdit:
        """An import right before the script's first one of its own that is no `from __future__`."""
        found = [node for node in self.source.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        later = [node for node in found if getattr(node, "module", "") != "__future__"]
        if not later:
            raise UnsureError(Message("there is no place for {line}", {"line": line}))
        return self.source.above(later[0], line)


def bound(function: ast.AST) -> set[str]:
    """The names that are a function's own."""
    stores = (node for node in ast.walk(function) if isinstance(node, ast.Name) and _is_bound(node))
    return {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)} | {node.id for node in stores}


def _arguments(scope: ast.AST) -> list[ast.arg]:
    held = scope.args if isinstance(scope, Function) else None
    return [*held.posonlyargs, *held.args, *held.kwonlyargs] if held is not None else []


def imports_of(node: ast.AST) -> list[tuple[str, str]]:
    """The names that a statement imports, each with what it stands for."""
    if isinstance(node, ast.Import):
        return [(a.asname, a.name) if a.asname else (a.name.partition(".")[0],) * 2 for a in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [(alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names]
    return []


def _is_bound(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store | ast.Del)
