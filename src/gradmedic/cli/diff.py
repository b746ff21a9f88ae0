"""`gradmedic diff`: two runs side by side."""

import sys
from pathlib import Path

import click

from gradmedic.base.atomic_write import write_all
from gradmedic.base.views import view
from gradmedic.cli.options import LANGUAGE, check_folders, form_of

FOUND = 3


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--fail-on", type=click.Choice(["worse"]), help="Exit with 3 if B is worse.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write it too: .html .json .txt")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@LANGUAGE
def diff(
    first: str, second: str, fail_on: str | None, outputs: tuple[str, ...], as_json: bool, lang: str | None
) -> int:
    """Put run B beside run A: recordings (folders), or reports (.json, .html)."""
    from rich.console import Console

    from gradmedic.base.settings import load
    from gradmedic.base.surroundings import terminal
    from gradmedic.diagnosis.difference import RunChange
    from gradmedic.render.difference.screen import show
    from gradmedic.verbs.diff import diff as verb

    settings = load({"lang": lang} if lang else {}, Path.cwd())
    check_folders(*outputs)
    ways = [(output, form_of(output, "a difference")) for output in outputs]
    found = verb(first, second, settings)
    if as_json:
        sys.stdout.write(found.to_json())
    else:
        show(found, settings.lang, Console(file=sys.stdout, _environ=terminal()))
    write_all((output, view(found, form, settings.lang)) for output, form in ways)
    return FOUND if fail_on and found.change is RunChange.WORSE else 0
