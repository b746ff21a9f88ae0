"""The page of a remedy: its docstring, what it is for, and its dose as a prescription has it."""

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from inspect import cleandoc
from typing import Any

from gradmedic.base.locale import say, translator
from gradmedic.base.messages import Message
from gradmedic.render.manual.rule_page import heading, sentences
from gradmedic.render.report.phrases import title
from gradmedic.treatment.remedies import Alters, Remedy, all_remedies

DEPTHS = {
    Alters.UPDATE: Message("It changes how weights move; old checkpoints still load and mean the same."),
    Alters.WEIGHTS: Message("It changes where weights start; old checkpoints load but undo it."),
    Alters.MODEL: Message("It changes the network itself; old checkpoints may not load, or mean something else."),
}


def page(name: str, lang: str = "en") -> str:
    """The page of a remedy in Markdown."""
    remedy = all_remedies()[name]
    told = [heading(line, lang) for line in cleandoc(remedy.__doc__ or "").splitlines()]
    return "\n".join([f"# {name}", "", *_summary(remedy, lang), "", *told, "", *_dose(remedy, lang)]).rstrip() + "\n"


def _summary(remedy: type[Remedy], lang: str) -> Iterator[str]:
    yield say(DEPTHS[remedy.alters], lang)
    rules = ", ".join(title(rule, lang) for rule in remedy.cures)
    yield say(Message("For: {rules}.", {"rules": rules}), lang)


def _dose(remedy: Any, lang: str) -> Iterator[str]:
    """The remedy's table in a prescription, and a sentence on each of its fields."""
    options: tuple[Field[Any], ...] = fields(remedy)
    yield from (f"## {translator(lang)('Dose')}", "", "```toml", "[[remedy]]", f'name = "{remedy.name}"', "```", "")
    told = dict(sentences(remedy))
    for option in options:
        usual = "" if option.default is MISSING else f" = {_written(option.default)}"
        yield f"- `{option.name}{usual}` {told.get(option.name, '')}".rstrip()


def _written(value: Any) -> str:
    """A default as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    return f'"{value}"' if isinstance(value, str) else f"{value:.6g}"
