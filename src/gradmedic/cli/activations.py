"""`gradmedic activations`: all activations beside each other, or the page of one."""

import click

from gradmedic.base.surroundings import terminal
from gradmedic.cli.options import LANGUAGE, settings_from


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the table, or the page as Markdown.")
@LANGUAGE
@click.argument("name", metavar="[NAME]", required=False)
def activations(name: str | None, as_json: bool, lang: str | None) -> None:
    """Compare all activations; with NAME, such as gelu or 'leaky_relu(0.2)', print its page."""
    from rich.console import Console

    from gradmedic.render.manual.activation_table import as_json as table
    from gradmedic.render.manual.screen import as_json as page
    from gradmedic.render.manual.screen import show

    chosen = settings_from((), lang=lang).lang
    if as_json:
        click.echo(page(name, chosen) if name else table())
    else:
        show(name, chosen, Console(_environ=terminal()))
