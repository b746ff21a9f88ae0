"""All activations beside each other."""

import json
from collections.abc import Callable, Iterator
from math import isnan, sqrt

from rich.table import Table

from gradmedic.base.locale import translator
from gradmedic.theory.activations import all_activations, all_gates
from gradmedic.theory.activations.curve_shape import Dies
from gradmedic.theory.kernels.gate_moments import gate_moments
from gradmedic.theory.kernels.traits import traits

DEATHS = {
    Dies.NO: "no",
    Dies.SOFT: "saturates",
    Dies.HARD_ONE_SIDED: "one side",
    Dies.HARD_TWO_SIDED: "both sides",
    Dies.DEAD_ZONE: "dead zone",
}
"""Where units can die, in a word."""


def table(lang: str) -> Table:
    """A row for each activation, at inputs of mean square 1 where no other is needed."""
    _ = translator(lang)
    sizes = _("slope"), _("flat"), _("forward"), _("backward")
    point = _("critical"), _("bias"), _("drift"), _("LN chi")
    made = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    made.add_column(_("activation"), no_wrap=True)
    for head in (*sizes, *point):
        made.add_column(head, justify="right", no_wrap=True)
    made.add_column(_("dies"), no_wrap=True)
    for row in rows(_):
        made.add_row(*row)
    return made


def rows(_: Callable[[str], str]) -> Iterator[list[str]]:
    """The cells of all rows, the name first."""
    for name, cls in all_activations().items():
        known = traits(cls())
        at = known.critical
        point = [_short(at.sigma_w), _short(sqrt(at.sigma_b2)), _short(at.slope)] if at else ["-", "-", "-"]
        sizes = [_short(known.steepest), f"{known.flat_share:.0%}", _short(known.forward), _short(known.backward)]
        yield [name, *sizes, *point, _short(known.ln_chi), _(DEATHS[known.dies])]


def gates(lang: str) -> Table:
    """A row for each gate y = a(u) v, for independent standard normal u and v."""
    made = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    made.add_column(translator(lang)("gate"), no_wrap=True)
    for head in ("E y²", "E (dy/du)²", "E (dy/dv)²"):
        made.add_column(head, justify="right")
    for name, cls in all_gates().items():
        m = gate_moments(cls(), 1.0)
        made.add_row(name, *(_short(value) for value in (m.y2, m.dy_du2, m.dy_dv2)))
    return made


def as_json() -> str:
    """The table as a JSON list, with columns named as in English."""
    heads = ("activation", "slope", "flat", "forward", "backward", "critical", "bias", "drift", "ln_chi", "dies")
    return json.dumps([dict(zip(heads, row, strict=True)) for row in rows(str)], ensure_ascii=False, indent=2)


def _short(value: float) -> str:
    return "-" if isnan(value) else f"{round(value, 3):.3g}"
