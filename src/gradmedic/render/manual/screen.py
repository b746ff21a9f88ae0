"""The manual on a terminal."""

import json

from rich.console import Console
from rich.markdown import Markdown

from gradmedic.base.errors import ActivationError
from gradmedic.base.locale import translator
from gradmedic.diagnosis.rules import all_rules
from gradmedic.render.glyphs import can_say, emit
from gradmedic.render.manual import remedy_page, rule_page
from gradmedic.render.manual.activation_page import page
from gradmedic.render.manual.activation_table import gates, table
from gradmedic.theory.activations import activation, all_activations, gate
from gradmedic.treatment.remedies import all_remedies

WIDTH = 76
"""Columns of a page at most."""


def knows(name: str) -> bool:
    """Whether there is a page for that name."""
    if name in all_remedies():
        return True
    try:
        return bool(gate(name) or activation(name))
    except ActivationError:
        return False


def _page(name: str, lang: str, encoding: str, width: int) -> str:
    return remedy_page.page(name, lang) if name in all_remedies() else page(name, lang, encoding, width)


def as_json(name: str | None, lang: str) -> str:
    """The page of a rule, remedy, gate or activation as Markdown in JSON; without a name, all names by kind."""
    if name is None:
        named = {"rules": [*all_rules()], "remedies": [*all_remedies()], "activations": [*all_activations()]}
        return json.dumps(named, ensure_ascii=False, indent=2)
    told = _page(name, lang, "utf-8", WIDTH) if knows(name) else rule_page.page(name, lang)
    return json.dumps({"name": name, "page": told}, ensure_ascii=False, indent=2)


def show(name: str | None, lang: str, console: Console) -> None:
    """Print the page of an activation, gate or remedy, or where none is named, all activations beside each other."""
    _ = translator(lang)
    if not can_say(_("Numbers"), console.encoding):
        lang, _ = "en", translator("en")
    if name:
        told = _page(name, lang, console.encoding, min(console.width - 4, WIDTH))
        emit(console, Markdown(told, code_theme="ansi_dark"))
        return
    legend = [
        _("slope: the steepest. flat: share of inputs of mean square 1 where it is below 0.01."),
        _("forward, backward: gains that keep the signal, the gradient."),
        _("critical, bias: gain and standard deviation of biases that keep both (chi = 1)."),
        _("drift: factor per layer of a deviation in size there; below 1 it heals."),
        _("LN chi: factor per layer of the squared gradient with LayerNorm. dies: where units can."),
    ]
    emit(console, table(lang), "", gates(lang), "", *legend)
