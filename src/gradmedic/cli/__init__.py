"""The command line: parse, call one verb, print what went wrong in one sentence."""

import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

from gradmedic import __version__
from gradmedic.base.errors import GradmedicError
from gradmedic.base.surroundings import tell
from gradmedic.cli.activations import activations
from gradmedic.cli.compare import compare
from gradmedic.cli.diagnose import diagnose
from gradmedic.cli.diff import diff
from gradmedic.cli.doctor import doctor
from gradmedic.cli.explain import explain
from gradmedic.cli.live import live
from gradmedic.cli.patch import patch
from gradmedic.cli.predict import predict
from gradmedic.cli.run import run
from gradmedic.cli.runs import runs
from gradmedic.cli.skill import skill
from gradmedic.cli.treat import treat

MISUSED = 2
INTERRUPTED = 130


START = """\
First aid for gradients. Your PyTorch network does not train?

  gradmedic run train.py       run your script, unchanged: what is wrong, where, why, and what to do
  gradmedic treat train.py     try remedies on it, and keep the one that is proved to help
  gradmedic predict train.py   what theory expects of its gradients, beside what is measured

  gradmedic explain            all that can be found; with a name, what it means
  gradmedic doctor             what works on this machine
  gradmedic --help             all commands
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, "--version", "-V", prog_name="gradmedic", message="%(prog)s %(version)s")
@click.pass_context
def commands(context: click.Context) -> None:
    """First aid for gradients: run a PyTorch script unchanged, read what is wrong, where, and why."""
    if context.invoked_subcommand is None:
        click.echo(START, nl=False)


commands.add_command(run)
commands.add_command(diagnose)
commands.add_command(diff)
commands.add_command(runs)
commands.add_command(live)
commands.add_command(explain)
commands.add_command(predict)
commands.add_command(activations)
commands.add_command(treat)
commands.add_command(patch)
commands.add_command(compare)
commands.add_command(doctor)
commands.add_command(skill)


def main() -> NoReturn:
    """Run one command; every complaint about how it was called ends here, in one line."""
    try:
        # A script is not started inside of click, which would catch its exceptions: `run` returns how to.
        outcome: int | Callable[[], NoReturn] | None = commands.main(standalone_mode=False, prog_name="gradmedic")
        sys.exit(outcome() if callable(outcome) else outcome)
    except GradmedicError as error:
        complain(str(error))
    except click.ClickException as error:
        complain(sentence(error))
    except click.Abort:
        sys.exit(INTERRUPTED)


def sentence(error: click.ClickException) -> str:
    """What click complains about, and where to read more."""
    context: Any = getattr(error, "ctx", None)
    more = f" (see {context.command_path} --help)" if context is not None else ""
    return f"{error.format_message()}{more}"


def complain(text: str) -> NoReturn:
    """Print one sentence and leave."""
    tell(sys.stderr, f"gradmedic: {text}")
    sys.exit(MISUSED)
