"""`gradmedic doctor`: what gradmedic can do on this machine."""

import sys

import click

from gradmedic.base.surroundings import terminal
from gradmedic.cli.options import LANGUAGE, settings_from


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@LANGUAGE
def doctor(as_json: bool, lang: str | None) -> None:
    """Tell versions and devices, what this torch does not show, and how trials are isolated here."""
    from rich.console import Console

    from gradmedic.render import machine
    from gradmedic.verbs.doctor import doctor as verb

    settings = settings_from((), lang=lang)
    found = verb(settings)
    if as_json:
        sys.stdout.write(machine.as_json(found))
    else:
        machine.show(found, settings.lang, Console(file=sys.stdout, _environ=terminal()))
