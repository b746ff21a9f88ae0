"""What gradmedic can do on a machine: as a screen, and as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from gradmedic.base.locale import say, translator
from gradmedic.base.machine import Machine
from gradmedic.base.visible_text import visible
from gradmedic.render.glyphs import can_say, emit, glyphs_for
from gradmedic.render.report.json import plain

SCHEMA = "gradmedic.doctor/1"


def show(machine: Machine, lang: str, console: Console) -> None:
    """Print versions and devices, and what is switched off."""
    if not can_say(translator(lang)("Verdict"), console.encoding):
        lang = "en"
    emit(console, *_pieces(visible(machine), lang, console))


def as_json(machine: Machine) -> str:
    """The same as a JSON document, sentences in English."""
    told = asdict(machine) | {"lost": [str(one) for one in machine.lost], "trials": str(machine.trials)}
    return json.dumps({"schema": SCHEMA, **plain(told)}, indent=2, ensure_ascii=False) + "\n"


def _pieces(machine: Machine, lang: str, console: Console) -> Iterator[RenderableType]:
    glyphs = glyphs_for(console.encoding)

    def _(text: str) -> str:
        return translator(lang)(text)

    table = Table(box=None, pad_edge=False, show_edge=False, show_header=False)
    table.add_row("python", f"{machine.python}  {machine.platform}")
    for name, number in machine.packages.items():
        table.add_row(name, number)
    table.add_row(_("devices"), ", ".join(machine.devices))
    for key, value in machine.settings.items():
        table.add_row(Text(key), Text(str(value)))
    yield table
    if machine.lost:
        yield from (Text(f"{glyphs.warning} {say(lost, lang)}", "yellow") for lost in machine.lost)
    else:
        yield Text(f"{glyphs.healthy} {_('this torch shows all that gradmedic reads')}", "green")
    yield Text(f"{glyphs.note} {say(machine.trials, lang)}")
