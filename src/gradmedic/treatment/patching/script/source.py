"""A script's text: where things stand in it, to the character, and how to change them and nothing else."""

import ast
import io
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from gradmedic.base.messages import Message
from gradmedic.recording.records import Recording

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant, ast.List, ast.Dict, ast.Set)


class UnsureError(Exception):
    """An edit that is not certain to be right, and why; it is left to the user."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


@dataclass(frozen=True, order=True)
class TextEdit:
    """Characters `start` to `end` of a text become `text`; an insertion where the two are one."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, eq=False)
class ParsedScript:
    """A script, parsed. `args` are what it is run with.

    `recording` is what was seen when it ran, if it did; lines in it are those of this text. `is_other`
    says that this is known not to be the text that was treated: what was relative to that is no longer.
    """

    text: str
    name: str = "train.py"
    args: tuple[str, ...] = ()
    recording: Recording | None = None
    is_other: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; raises `UnsureError` where the text is not Python."""
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError) as error:
            values = {"file": self.name, "error": str(error)}
            raise UnsureError(Message("{file} is not valid Python: {error}", values)) from None

    @cached_property
    def lines(self) -> list[str]:
        """The lines as Python counts them, each with its end: a form feed does not end one."""
        return list(io.StringIO(self.text, newline=""))

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line))
        return starts

    @cached_property
    def newline(self) -> str:
        """How this script ends its lines."""
        ends = [end for line in self.lines[:1] for end in ("\r\n", "\n", "\r") if line.endswith(end)]
        return ends[0] if ends else "\n"

    @cached_property
    def unit(self) -> str:
        """One step of indentation, as this script has it."""
        for node in self.nodes():
            if isinstance(node, ast.stmt) and isinstance(self.parents.get(node), ast.Module):
                inner = [one for one in ast.walk(node) if isinstance(one, ast.stmt) and one is not node]
                found = [self.indent(one) for one in inner if self.begins_line(one) and self.indent(one)]
                if found:
                    return min(found, key=len)
        return "    "

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node that each node is a part of."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def nodes(self, within: ast.AST | None = None) -> Iterator[ast.AST]:
        """All nodes in the order in which they stand; what is inside of f-strings has no reliable position."""
        node = self.tree if within is None else within
        yield node
        if not isinstance(node, ast.JoinedStr):
            for child in ast.iter_child_nodes(node):
                yield from self.nodes(child)

    def calls(self, within: ast.AST | None = None) -> Iterator[ast.Call]:
        """All calls."""
        yield from (node for node in self.nodes(within) if isinstance(node, ast.Call))

    # ── where things stand ──────────────────────────────────────────────────────────────────

    def at(self, line: int, column: int) -> int:
        """The position of a line and a column as `ast` counts them: from 1, and in bytes of UTF-8."""
        return self._starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node begins and ends."""
        found: ast.expr = node  # type: ignore[assignment]  # whatever has a place
        return self.at(found.lineno, found.col_offset), self.at(found.end_lineno or 0, found.end_col_offset or 0)

    def read(self, node: ast.AST) -> str:
        """A node as it is written."""
        start, end = self.span(node)
        return self.text[start:end]

    def atom(self, node: ast.expr) -> str:
        """A node as it can stand in front of a dot, or alone."""
        text = self.read(node)
        is_number = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
        return text if isinstance(node, ATOMS) and "\n" not in text and not is_number else f"({text})"

    def line_of(self, node: ast.AST) -> int:
        """The line, from 1, in which a node begins."""
        return int(node.lineno)  # type: ignore[attr-defined]

    def statement(self, node: ast.AST) -> ast.stmt:
        """The statement that a node is a part of."""
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node

    def scope(self, node: ast.AST) -> ast.AST:
        """The innermost function, class or module around a node."""
        node = self.parents.get(node, self.tree)
        while not isinstance(node, Function | ast.ClassDef | ast.Module):
            node = self.parents[node]
        return node

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node stands in, the innermost first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def block(self, statement: ast.stmt) -> list[ast.stmt]:
        """The statements among which one stands."""
        parent = self.parents[statement]
        for _name, value in ast.iter_fields(parent):
            if isinstance(value, list) and statement in value:
                return value
        raise AssertionError("a statement stands in a block")

    def begins_line(self, statement: ast.stmt) -> bool:
        """True where nothing but space stands before it."""
        start, _end = self.span(statement)
        return not self.text[self._starts[statement.lineno - 1] : start].strip()

    def indent(self, statement: ast.stmt) -> str:
        """The space before a statement that begins its line."""
        start, _end = self.span(statement)
        return self.text[self._starts[statement.lineno - 1] : start]

    # ── changes ─────────────────────────────────────────────────────────────────────────────

    def replace(self, node: ast.AST, text: str) -> TextEdit:
        """Another text in the place of a node."""
        return TextEdit(*self.span(node), text)

    def above(self, statement: ast.stmt, code: str) -> TextEdit:
        """Lines right before a statement; raises `UnsureError` where they stand there already."""
        decorated: list[ast.expr] = getattr(statement, "decorator_list", [])
        if decorated or not self.begins_line(statement):
            return self._beside(statement, code, before=True)
        start = self._starts[statement.lineno - 1]
        lines = self._fitted(code, self.indent(statement))
        self._refuse_again(self.text[:start].endswith(lines), code)
        return TextEdit(start, start, lines)

    def below(self, statement: ast.stmt, code: str) -> TextEdit:
        """Lines right behind a statement; raises `UnsureError` where they stand there already."""
        _start, end = self.span(statement)
        rest = self.text[end : self._starts[statement.end_lineno or 0]]
        if not self.begins_line(statement) or not re.fullmatch(r"\s*(#.*)?\s*", rest):
            return self._beside(statement, code, before=False)
        end += len(rest)
        lines = self._fitted(code, self.indent(statement))
        self._refuse_again(self.text[end:].startswith(lines.rstrip()), code)
        return TextEdit(end, end, lines if rest.endswith(("\n", "\r")) else self.newline + lines.rstrip("\r\n"))

    def instead(self, statement: ast.stmt, code: str) -> TextEdit:
        """Lines in the place of a statement that has its line for itself."""
        if not self.begins_line(statement):
            raise UnsureError(Message("line {line} holds more than one statement", {"line": statement.lineno}))
        return TextEdit(*self.span(statement), self._fitted(code, self.indent(statement)).strip())

    def removed(self, statement: ast.stmt, rest: str = "") -> TextEdit:
        """A statement less, with its line; raises `UnsureError` where it shares that with anything but `rest`."""
        self._refuse_shared(statement, rest)
        return TextEdit(self._starts[statement.lineno - 1], self._starts[statement.end_lineno or 0], "")

    def moved(self, statement: ast.stmt, behind: ast.stmt) -> list[TextEdit]:
        """A statement with its line, put behind another one of the same block."""
        for one in (statement, behind):
            self._refuse_shared(one, r"(#.*)?")
        start, end = self._starts[statement.lineno - 1], self._starts[statement.end_lineno or 0]
        at = self._starts[behind.end_lineno or 0]
        return [TextEdit(start, end, ""), TextEdit(at, at, self.text[start:end])]

    def _refuse_shared(self, statement: ast.stmt, rest: str) -> None:
        """Refuse where anything else stands in the lines of a statement but what is allowed behind it."""
        behind = self.text[self.span(statement)[1] : self._starts[statement.end_lineno or 0]].strip()
        if not (self.begins_line(statement) and re.fullmatch(rest, behind) and len(self.block(statement)) > 1):
            raise UnsureError(Message("line {line} holds more than one statement", {"line": statement.lineno}))

    def _beside(self, statement: ast.stmt, code: str, *, before: bool) -> TextEdit:
        """A short statement on the same line, behind a semicolon."""
        start, end = self.span(statement)
        if len(code.splitlines()) > 1 or re.match(r"(for|if|with|while|@|def)\b", code) or code.startswith("import "):
            raise UnsureError(Message("line {line} holds more than one statement", {"line": statement.lineno}))
        near = self.text[:start].rstrip("; ") if before else self.text[end:].lstrip("; ")
        self._refuse_again(near.endswith(code) if before else near.startswith(code), code)
        return TextEdit(start, start, f"{code}; ") if before else TextEdit(end, end, f"; {code}")

    def _fitted(self, code: str, indent: str) -> str:
        """Lines of code with this script's indentation and line ends."""
        made = []
        for line in textwrap.dedent(code).strip("\n").splitlines():
            bare = line.lstrip(" ")
            made.append(f"{indent}{self.unit * ((len(line) - len(bare)) // 4)}{bare}" if bare else "")
        return self.newline.join([*made, ""])

    def _refuse_again(self, stands: bool, code: str) -> None:
        if stands:
            raise UnsureError(Message("{code} stands there already", {"code": code.strip().splitlines()[0]}))


def changed(text: str, changes: list[TextEdit]) -> str:
    """The text with all changes made; they must not overlap."""
    parts, at = [], 0
    for change in sorted(changes, key=lambda one: (one.start, one.end)):
        parts += [text[at : change.start], change.text]
        at = change.end
    return "".join([*parts, text[at:]])


def overlap(first: TextEdit, second: TextEdit) -> bool:
    """True where two changes cannot both be made."""
    if first.start == first.end or second.start == second.end:
        return first.start < second.start < first.end or second.start < first.start < second.end
    return first.start < second.end and second.start < first.end
