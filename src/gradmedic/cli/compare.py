"""`gradmedic compare`: train a script with each activation, and rank them."""

import sys
from typing import Any

import click

from gradmedic.base.atomic_write import write_all
from gradmedic.base.errors import SettingsError
from gradmedic.base.surroundings import terminal
from gradmedic.cli.options import (
    IN_PLACE,
    JSON,
    LANGUAGE,
    METRIC,
    METRIC_GOAL,
    MINUTES,
    check_folders,
    form_of,
    positive,
    settings_from,
)
from gradmedic.cli.progress_line import ProgressLine

SUFFIXES = {".html": "to_html", ".json": "to_json", ".md": "to_markdown", ".txt": "__str__"}


# Whatever stands behind the script's name belongs to the script, its own --help and -- included.
@click.command(context_settings={"allow_interspersed_args": False})
@click.option("-m", "as_module", is_flag=True, help="TARGET is a module, as for python -m.")
@click.option("--activations", metavar="A,B,...", help="Which, as relu,gelu,leaky_relu(0.2). [the usual nine]")
@click.option(
    "--init",
    type=click.Choice(["right", "script", "both"]),
    default="right",
    show_default=True,
    help="How the weights before them start: right for the activation, or as the script has it.",
)
@MINUTES
@click.option("--jobs", type=int, default=0, callback=positive, metavar="J", help="Runs at a time. [one per core]")
@click.option(
    "--seeds",
    type=int,
    callback=positive,
    default=3,
    show_default=True,
    metavar="K",
    help="Runs of each, 2 at the least.",
)
@click.option("--rates", metavar="F,F", default="1", help="Learning rates to choose from, as factors: 1,0.3,0.1")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="End each run after N steps. [as time allows]")
@METRIC
@METRIC_GOAL
@click.option("--runner", default="local", show_default=True, help="Where runs are made: local, ray.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write it too: .html .json .md .txt")
@JSON
@IN_PLACE
@LANGUAGE
@click.argument("target")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def compare(
    target: str,
    args: tuple[str, ...],
    activations: str | None,
    rates: str,
    outputs: tuple[str, ...],
    as_json: bool,
    lang: str | None,
    **how: Any,
) -> int:
    """Train a PyTorch script, unchanged, with each activation in its hidden places, and rank them.

    Each run is a fresh process that sees this folder as it is; what the script writes is thrown away. With
    -o, outcomes are kept beside the first file; the same command resumes where it was ended.
    """
    from rich.console import Console

    from gradmedic.launch.stage import refuse_what_is_no_script
    from gradmedic.render.comparison.screen import show
    from gradmedic.render.comparison.screen import told as so_far
    from gradmedic.verbs.compare import compare_script

    settings = settings_from((), lang=lang)
    check_folders(*outputs)
    ways = [(output, written_by(output)) for output in outputs]
    if not how["as_module"]:
        refuse_what_is_no_script(target)
    ticker = ProgressLine(sys.stderr, lambda contest: so_far(contest, settings.lang))
    how["activations"] = None if activations is None else split(activations)
    how["rates"] = factors(rates)
    found = compare_script(
        target, args, output=outputs[0] if outputs else None, settings=settings, told=ticker.tick, **how
    )
    ticker.clear()
    if as_json:
        sys.stdout.write(found.to_json())
    else:
        show(found, settings.lang, Console(_environ=terminal()))
    write_all((output, getattr(found, way)()) for output, way in ways)
    return 130 if found.interrupted else 0


def written_by(output: str) -> str:
    """The method that writes what a file's suffix asks for."""
    return form_of(output, "a comparison", SUFFIXES)


def factors(text: str) -> list[float]:
    """The numbers between commas."""
    try:
        return [float(one) for one in text.split(",")]
    except ValueError:
        raise SettingsError(f"--rates {text}: write factors of the learning rate, as 1,0.3,0.1") from None


def split(names: str) -> list[str]:
    """The names between commas that are not inside of parentheses."""
    found, depth = [""], 0
    for character in names:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return [name.strip() for name in found if name.strip()]
