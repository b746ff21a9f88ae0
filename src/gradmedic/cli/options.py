"""The options that several commands share, and the settings that come of them."""

import os
from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

import click

from gradmedic.base.errors import SettingsError
from gradmedic.base.settings import Settings, assignments, load, merged
from gradmedic.base.surroundings import folder
from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.rule_settings import check_rules

SEVERITY = click.Choice([severity.word for severity in Severity])
Command = Callable[..., Any]


def positive(_context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Refuse a number that is not above zero and finite, and not the default."""
    if value is None or value == parameter.default or 0 < value < inf:
        return value
    raise click.BadParameter(f"must be a number above 0; it is {value:g}")


LANGUAGE = click.option("--lang", type=click.Choice(["en", "zh"]), help="Language of the report.")
IN_PLACE = click.option("--in-place", is_flag=True, help="Let each trial write into your folder.  [keep it as it is]")
MINUTES = click.option(
    "--minutes", type=float, callback=positive, default=10.0, show_default=True, help="Time for everything together."
)
METRIC = click.option("--metric", metavar="REGEX", help="Judge by the number that group 1 last finds on stdout.")
METRIC_GOAL = click.option("--metric-goal", type=click.Choice(["max", "min"]), default="max", show_default=True)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout in place of the screen.")
SHARED: Sequence[Callable[[Command], Command]] = (
    click.option(
        "-o",
        "--output",
        "outputs",
        multiple=True,
        metavar="FILE",
        help="Write the report: .html .json .md .txt .sarif .xml (JUnit), or github",
    ),
    click.option("--json", is_flag=True, default=None, help="Print the report as JSON at the end of stdout."),
    click.option("--fail-on", type=SEVERITY, help="Exit with 3 if something that severe was found."),
    click.option("--ignore", multiple=True, metavar="RULE", help="Leave a rule out."),
    click.option("--set", "assigned", multiple=True, metavar="KEY=VALUE", help="As rules.dead-relu.share=0.5"),
    click.option("--quiet", is_flag=True, default=None, help="Print nothing."),
    LANGUAGE,
)


def shared_options(command: Command) -> Command:
    """Give a command the options that are about the report."""
    for option in reversed(SHARED):
        command = option(command)
    return command


def settings_from(assigned: Sequence[str], **flags: Any) -> Settings:
    """The settings of this call, complete and checked, before anything is run."""
    given = {key: value for key, value in flags.items() if value not in (None, ())}
    settings = merged(load(given, Path(folder() or os.sep)), assignments(assigned), "--set")
    check_outputs(settings)
    if settings.log_to:
        from gradmedic.sinks import check_sinks

        check_sinks(settings.log_to)
    check_rules(settings)
    return settings


def check_outputs(settings: Settings) -> None:
    """Complain about an output whose suffix no renderer writes, or whose folder is not there."""
    check_folders(*settings.outputs)
    if settings.outputs:
        from gradmedic.render import github, renderer_for

        for output in settings.outputs:
            if output != github.OUTPUT:
                renderer_for(output)


FORMS = {".html": "page", ".json": "json", ".txt": "text"}
"""The forms of a result by the suffixes of files."""


def form_of(output: str, what: str, forms: Mapping[str, str] = FORMS) -> str:
    """The form that a file's suffix asks for; `what` is written is named in the complaint about another one."""
    suffix = Path(output).suffix.lower()
    if suffix not in forms:
        raise SettingsError(f"cannot write {output!r}: {what} ends in {', '.join(forms)}")
    return forms[suffix]


def check_folders(*outputs: str | None) -> None:
    """Complain about an output in a folder that is not there, before anything is run."""
    for output in filter(None, outputs):
        folder = Path(output).parent
        if not folder.is_dir():
            raise SettingsError(f"cannot write {output!r}: there is no folder {str(folder)!r}")
