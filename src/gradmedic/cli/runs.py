"""`gradmedic runs`: the recordings below a folder, each with its verdict."""

import sys

import click

from gradmedic.base.surroundings import terminal
from gradmedic.cli.options import LANGUAGE, settings_from


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, default=".")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@LANGUAGE
def runs(folder: str, as_json: bool, lang: str | None) -> None:
    """List the recordings in DIR and below it, newest first: verdict, findings, loss, script."""
    from rich.console import Console

    from gradmedic.render import runs as table
    from gradmedic.verbs.runs import runs as verb

    settings = settings_from((), lang=lang)
    found = verb(folder, settings)
    if as_json:
        sys.stdout.write(table.as_json(found))
    else:
        table.show(found, settings.lang, Console(file=sys.stdout, _environ=terminal()))
