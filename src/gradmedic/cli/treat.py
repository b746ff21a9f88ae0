"""`gradmedic treat`: find the remedy that helps a script, and prove it."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from gradmedic.base.atomic_write import write_all
from gradmedic.base.errors import SettingsError
from gradmedic.base.surroundings import terminal
from gradmedic.base.views import view
from gradmedic.cli.options import (
    FORMS,
    IN_PLACE,
    JSON,
    LANGUAGE,
    METRIC,
    METRIC_GOAL,
    MINUTES,
    check_folders,
    positive,
    settings_from,
)
from gradmedic.cli.progress_line import ProgressLine


# Whatever stands behind the script's name belongs to the script, its own --help and -- included.
@click.command(context_settings={"allow_interspersed_args": False})
@click.option("-m", "as_module", is_flag=True, help="TARGET is a module, as for python -m.")
@MINUTES
@click.option(
    "--trials", type=int, callback=positive, metavar="N", help="Runs of the script, controls included. [as time allows]"
)
@click.option("--jobs", type=int, default=0, callback=positive, metavar="J", help="Trials at a time. [one per core]")
@click.option(
    "--seeds",
    type=int,
    callback=positive,
    default=3,
    show_default=True,
    metavar="K",
    help="Fresh seeds that confirm the best.",
)
@METRIC
@METRIC_GOAL
@click.option("--runner", default="local", show_default=True, help="Where trials run: local, ray.")
@click.option("--force", is_flag=True, help="Treat a script that seems healthy, too.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    help="Where to write the remedy (.toml), and the story (.html .json .txt).  [prescription.toml]",
)
@click.option("--patch", "as_patch", is_flag=True, help="Print the remedy as code, too, and as a patch of the script.")
@click.option("--set", "assigned", multiple=True, metavar="KEY=VALUE", help="As rules.dead-relu.share=0.5")
@click.option("--ignore", multiple=True, metavar="RULE", help="Leave a rule out.")
@JSON
@IN_PLACE
@LANGUAGE
@click.argument("target")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def treat(
    target: str,
    args: tuple[str, ...],
    as_patch: bool,
    outputs: tuple[str, ...],
    assigned: tuple[str, ...],
    ignore: tuple[str, ...],
    as_json: bool,
    lang: str | None,
    **how: Any,
) -> int:
    """Try remedies on a PyTorch script, unchanged, and keep the one that is proved to help.

    Each trial runs the script in a fresh process that sees this folder as it is; what it writes is
    thrown away. Outcomes are kept beside the prescription; the same command resumes where it was ended.
    """
    from gradmedic.launch.stage import refuse_what_is_no_script
    from gradmedic.render.treatment.screen import told as so_far
    from gradmedic.verbs.treat import first_held_out
    from gradmedic.verbs.treat import treat as verb

    settings = settings_from(assigned, ignore=ignore, lang=lang)
    check_folders(*outputs)
    how["output"], stories = sorted_out(outputs)
    if not how["as_module"]:
        refuse_what_is_no_script(target)
    ticker = ProgressLine(sys.stderr, lambda search: so_far(search, settings.lang))
    choose = partial(ask, lang=settings.lang) if sys.stdin.isatty() and sys.stderr.isatty() else first_held_out
    found = verb(target, args, settings=settings, told=ticker.tick, choose=choose, **how)
    ticker.clear()
    tell(found, settings.lang, as_json, how["output"])
    write_all((name, view(found, form, settings.lang)) for name, form in stories)
    if as_patch and found.prescription is not None and not found.interrupted:
        as_before = {key: how[key] for key in ("as_module", "in_place")}
        show_patch(found, target, args, settings.lang, **as_before)
    return 130 if found.interrupted else 0


def tell(found: Any, lang: str, as_json: bool, prescription: str) -> None:
    """Print the screen, or JSON; `prescription` is the file that was written where there is one."""
    from rich.console import Console

    from gradmedic.render.treatment.screen import show

    if as_json:
        sys.stdout.write(found.to_json())
    else:
        show(found, lang, Console(_environ=terminal()), prescription if found.prescription else None)


def sorted_out(outputs: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """The file of the prescription, and each other file with the form that its suffix asks for."""
    stories = [(name, FORMS[Path(name).suffix.lower()]) for name in outputs if Path(name).suffix.lower() in FORMS]
    rest = [name for name in outputs if Path(name).suffix.lower() not in FORMS]
    if len(rest) > 1:
        raise SettingsError(f"one file takes the prescription, not {len(rest)}: {', '.join(rest)}")
    return (rest or ["prescription.toml"])[0], stories


def ask(names: Sequence[str], lang: str) -> str:
    """Ask at the terminal which of the numbers that a script prints is to be judged by."""
    from gradmedic.base.locale import translator
    from gradmedic.verbs.treat import first_held_out

    question = translator(lang)("Which number is to be judged by?")
    answer: str = click.prompt(question, type=click.Choice([*names]), default=first_held_out(names), err=True)
    return answer


def show_patch(found: Any, target: str, args: tuple[str, ...], lang: str, **how: Any) -> None:
    """Print the prescription as code and as a patch of the script, which is tried before."""
    from rich.console import Console

    from gradmedic.render.patch import show
    from gradmedic.verbs.patch import KnownRuns, patch

    control = replace(found.control.runs[0], recording=found.before.recording)
    seen = KnownRuns(control, found.chosen.arm.runs)
    written = patch(found.prescription, target, args, seen=seen, **how)
    show(written, found.prescription.code(), lang, Console(_environ=terminal()))
