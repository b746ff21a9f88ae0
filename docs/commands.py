"""Write the page of all commands, as click has them, to docs/reference/commands.md."""

from collections.abc import Iterator
from pathlib import Path

import click

from gradmedic.cli import commands

FILE = Path(__file__).parent / "reference" / "commands.md"

HEAD = """# Commands

Every command ends with one of these exit codes; `run` otherwise with the script's own.

| exit code | |
| ---: | --- |
| 0 | done |
| 2 | called in a way that makes no sense: one sentence on stderr says why |
| 3 | something as severe as `--fail-on` says was found |
| 130 | interrupted |

In your shell, <kbd>Tab</kbd> completes commands and options after
`eval "$(_GRADMEDIC_COMPLETE=bash_source gradmedic)"` (or `zsh_source`; for fish
`_GRADMEDIC_COMPLETE=fish_source gradmedic | source`).
"""


def section(name: str, command: click.Command) -> Iterator[str]:
    """One command: how it is called, what it does, its options."""
    context = click.Context(command, info_name=f"gradmedic {name}")
    usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
    yield f"\n## gradmedic {name}\n\n    {usage}\n\n{_prose(command.help or '')}\n"
    records = [it.get_help_record(context) or ("", "") for it in command.params if isinstance(it, click.Option)]
    if records:
        yield "\n| option | |\n| --- | --- |\n"
        yield from (f"| `{_cell(names)}` | {_cell(told)} |\n" for names, told in records)


def _prose(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("  [", " [").replace("[x>=1]", "")


def text() -> str:
    """The whole page."""
    return HEAD + "".join(part for name, it in sorted(commands.commands.items()) for part in section(name, it))


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
