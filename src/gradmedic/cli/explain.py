"""`gradmedic explain`: the page of a rule, remedy or activation, as it stands in its file."""

import click

from gradmedic.base.surroundings import terminal
from gradmedic.cli.options import LANGUAGE, settings_from


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the names, or the page as Markdown.")
@LANGUAGE
@click.argument("name", metavar="[RULE]", required=False)
def explain(name: str | None, as_json: bool, lang: str | None) -> None:
    """Print the page of a rule, a remedy or an activation; without RULE, list all rules."""
    from rich.console import Console

    from gradmedic.diagnosis.rules import all_rules
    from gradmedic.render.manual.rule_page import show

    chosen = settings_from((), lang=lang).lang
    if as_json:
        from gradmedic.render.manual.screen import as_json as written

        click.echo(written(name, chosen))
        return
    if name and name not in all_rules():
        from gradmedic.render.manual import screen

        if screen.knows(name):
            screen.show(name, chosen, Console(_environ=terminal()))
            return
    show(name, chosen, Console(_environ=terminal()))
