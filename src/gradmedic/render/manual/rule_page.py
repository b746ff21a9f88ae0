"""The page of a rule, as the manual has it, on a terminal."""

import ast
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from difflib import get_close_matches
from inspect import cleandoc, getsource
from itertools import pairwise
from textwrap import dedent

from rich.console import Console
from rich.markdown import Markdown

from gradmedic.base.errors import SettingsError
from gradmedic.base.locale import translator
from gradmedic.diagnosis.rules import Rule, all_rules
from gradmedic.render.glyphs import can_say, emit
from gradmedic.render.report.phrases import title


def show(name: str | None, lang: str, console: Console) -> None:
    """Print the page of a rule, or where no rule is named, the list of all."""
    if not can_say(translator(lang)("Options"), console.encoding):
        lang = "en"
    emit(console, Markdown(page(name, lang) if name else index(lang), code_theme="ansi_dark"))


def page(name: str, lang: str = "en") -> str:
    """The page of a rule in Markdown: its docstring, and the options that it takes."""
    rule = _rule(name)
    text = cleandoc(rule.__doc__ or "").splitlines()
    lines = [heading(line, lang) for line in text]
    return "\n".join([f"# {title(name, lang)}", "", *lines, "", *_options(rule, lang)]).rstrip() + "\n"


def index(lang: str = "en") -> str:
    """All rules in Markdown, one line each."""
    return "\n".join(f"- {title(name, lang)}" for name in all_rules()) + "\n"


def _rule(name: str) -> type[Rule]:
    rules = all_rules()
    if name not in rules:
        near = get_close_matches(name, rules, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(rules)}"
        raise SettingsError(f"no rule is called {name!r}; {hint}")
    return rules[name]


def heading(line: str, lang: str) -> str:
    """A line of a page, translated if it is a heading."""
    marks, _, text = line.partition(" ")
    return f"{marks} {translator(lang)(text)}" if marks and not marks.strip("#") else line


def _options(rule: type[Rule], lang: str) -> Iterator[str]:
    """Each threshold with its default and the sentence that says where it comes from."""
    options: tuple[Field[object], ...] = fields(rule) if is_dataclass(rule) else ()
    if options:
        yield from (f"## {translator(lang)('Options')}", "", f"`[tool.gradmedic.rules.{rule.name}]`", "")
    told = dict(sentences(rule))
    for option in options:
        yield f"- `{option.name} = {option.default}` {told.get(option.name, '')}".rstrip()


def sentences(member: type) -> Iterator[tuple[str, str]]:
    """The string that stands under each field in the source, which Python itself forgets."""
    try:
        body = ast.parse(dedent(getsource(member))).body
    except OSError:  # a plug-in that came without its source
        return
    held = [node for top in body if isinstance(top, ast.ClassDef) for node in top.body]
    for node, below in pairwise(held):
        match node, below:
            case ast.AnnAssign(target=ast.Name(id=field)), ast.Expr(value=ast.Constant(value=str(text))):
                yield field, " ".join(text.split())
