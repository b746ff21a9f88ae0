"""`gradmedic explain`: the page of a rule, as it stands in its file."""

import click

from gradmedic.cli.options import LANGUAGE, settings_from


@click.command()
@LANGUAGE
@click.argument("name", metavar="[RULE]", required=False)
def explain(name: str | None, lang: str | None) -> None:
    """Print the page of a rule; without RULE, list all rules."""
    from rich.console import Console

    from gradmedic.explain import show

    show(name, settings_from((), lang=lang).lang, Console())
