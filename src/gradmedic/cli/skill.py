"""`gradmedic skill`: how a program that trains networks uses gradmedic."""

from importlib.resources import files

import click


@click.command()
def skill() -> None:
    """Print a page for programs that train networks: which command when, and how to read the JSON."""
    click.echo(files("gradmedic.render.manual").joinpath("skill.md").read_text(encoding="utf-8"), nl=False)
