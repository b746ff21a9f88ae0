"""Code that is written for anybody, in one script's own words: its model, its optimizer, its imports."""

import ast
import builtins
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from gradmedic.base.messages import Message
from gradmedic.treatment.code_places import quoted
from gradmedic.treatment.patching.script.imports import ImportedNames, imports_of
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError, changed

ALL = '[p for group in {optimizer}.param_groups for p in group["params"]]'
"""What an optimizer moves, where no model of a name is known to hold it."""


@dataclass(frozen=True)
class ScriptCode:
    """Code that can stand in the script, and the imports that the script lacks."""

    text: str
    imports: tuple[TextEdit, ...] = ()


@dataclass(frozen=True)
class Adapter:
    """Fits the parts of one remedy's code into one script; names of its own that are taken there get a `_`."""

    words: ImportedNames
    code: str
    known: frozenset[str] = frozenset(("model", "optimizer", "torch"))
    """The names that the code may take for granted."""
    is_divided: bool = False
    """Whether parts of it stand in several places, and have to agree on names."""

    def fitted(self, part: str, at: ast.stmt, *, model: str, optimizer: str) -> ScriptCode:
        """A part of the code for a place, with `model` and `optimizer` as the script calls them.

        Raises `UnsureError` where it asks for a model and there is none of a name, or where it stands in the script.
        """
        text, imports = self._without_imports(part)
        if self._foreign:
            raise UnsureError(Message("its code speaks of {name}", {"name": ", ".join(sorted(self._foreign))}))
        fitting = _Fitting(ParsedScript(text), self.words, model, optimizer, self._renamed(at))
        made = fitting.text
        if self._own and self._holds(made):
            raise UnsureError(Message("{code} stands there already", {"code": made.splitlines()[0]}))
        return ScriptCode(made, (*imports, *self.words.needed(made)))

    def _renamed(self, at: ast.stmt) -> dict[str, str]:
        """The names that the code gives to things of its own, where the script uses them for others."""
        scope = None if self.is_divided else self.words.source.scope(at)
        return {name: self.words.fresh(name, scope) for name in self._own}

    @cached_property
    def _own(self) -> set[str]:
        """The names that the code leaves behind in the script; those of a comprehension stay in it."""
        source = ParsedScript(self.code)
        stores = (n for n in source.nodes() if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        return {n.id for n in stores if not any(isinstance(one, ast.comprehension) for one in source.around(n))}

    @cached_property
    def owners(self) -> set[str]:
        """The models of the script that the code calls by name, in the place of `model`."""
        nodes = [n for n in ast.walk(self.words.source.tree) if isinstance(n, ast.Attribute) and n.attr == "parameters"]
        models = {node.value.id for node in nodes if isinstance(node.value, ast.Name)}
        names = [node for node in ast.walk(ast.parse(self.code)) if isinstance(node, ast.Name)]
        own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        return {node.id for node in names if node.id in models} - own - self.known

    @cached_property
    def _foreign(self) -> set[str]:
        """The names that the code expects the script to have, and that only its author knows."""
        nodes = list(ast.walk(ast.parse(self.code)))
        own = {name for node in nodes for name, _ in imports_of(node)} | {
            n.arg for n in nodes if isinstance(n, ast.arg)
        }
        own |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        own |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        return {n.id for n in nodes if isinstance(n, ast.Name)} - own - self.known - self.owners - set(dir(builtins))

    def _without_imports(self, part: str) -> tuple[str, list[TextEdit]]:
        lines = part.strip("\n").splitlines()
        asked = [line for line in lines if line.startswith(("import ", "from "))]
        rest = "\n".join(line for line in lines if line not in asked).strip("\n")
        return rest, [change for line in asked for change in self.words.add_import(line)]

    def _holds(self, code: str) -> bool:
        """True where the script has these lines, whatever their indentation, and with whatever names of their own."""
        own = re.compile(rf"\b({'|'.join(sorted(self._own))})_*\b")
        wanted = [own.sub(r"\1", line.strip()) for line in code.splitlines()]
        held = [own.sub(r"\1", line.strip()) for line in self.words.source.lines]
        return any(held[at : at + len(wanted)] == wanted for at in range(len(held)))


@dataclass(frozen=True)
class _Fitting:
    """What each word of a piece of code is in the script."""

    source: ParsedScript
    words: ImportedNames
    model: str
    optimizer: str
    names: dict[str, str]

    @property
    def text(self) -> str:
        """The code in the script's words."""
        return changed(self.source.text, list(self._changes(self.source.tree)))

    def _changes(self, node: ast.AST) -> Iterator[TextEdit]:
        text = self._text(node)
        if text is not None:
            yield self.source.replace(node, text)
        else:
            for child in ast.iter_child_nodes(node):
                yield from self._changes(child)

    def _text(self, node: ast.AST) -> str | None:
        """Another text for a part of the code; None where it is to be looked into."""
        if isinstance(node, ast.Call) and self.source.read(node) == "model.parameters()" and not self.model:
            return ALL.format(optimizer=self.optimizer)
        if isinstance(node, ast.Attribute) and re.fullmatch(r"torch(\.\w+)+", self.source.read(node)):
            return self.words.spelled(self.source.read(node))
        if isinstance(node, ast.Constant):
            return self._without_prefix(node.value)
        if not isinstance(node, ast.Name):
            return None
        if node.id == "model" and not self.model:
            raise UnsureError(Message("it is not plain which model this script trains"))
        return {"model": self.model, "optimizer": self.optimizer, **self.names}.get(node.id, node.id)

    def _without_prefix(self, value: object) -> str | None:
        """A parameter's name without that of the model, with which it begins where a script has several of them."""
        is_own = f"self.{self.model} = " in self.words.source.text  # else a module that is called like the model
        if not isinstance(value, str) or not self.model or is_own or not value.startswith(f"{self.model}."):
            return None
        return quoted(value.removeprefix(f"{self.model}."))
