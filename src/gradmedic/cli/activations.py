"""`gradmedic activations`: all activations beside each other, or the page of one."""

import click

from gradmedic.base.surroundings import terminal
from gradmedic.cli.options import LANGUAGE, settings_from


@click.command()
@LANGUAGE
@click.argument("name", metavar="[NAME]", required=False)
def activations(name: str | None, lang: str | None) -> None:
    """Compare all activations; with NAME, such as gelu or 'leaky_relu(0.2)', print its page."""
    from rich.console import Console

    from gradmedic.render.manual.screen import show

    show(name, settings_from((), lang=lang).lang, Console(_environ=terminal()))
