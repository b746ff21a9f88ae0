"""Write the page of all settings to docs/reference/settings.md."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click

from gradmedic.base.settings import PREFIX, Settings
from gradmedic.cli import commands
from gradmedic.render.manual.rule_page import sentences

FILE = Path(__file__).parent / "reference" / "settings.md"

HEAD = f"""# Settings

A flag goes before an environment variable, a variable before the nearest `pyproject.toml`, and that before the
default. In Python they are arguments of `gm.watch`, or fields of `gm.Settings`.

```toml
[tool.gradmedic]
budget = 0.01
ignore = ["weight-decay"]

[tool.gradmedic.rules.dead-relu]
share = 0.5
```

`{PREFIX}BUDGET=0.01` says the same in the environment. Thresholds are fields of their rules: each
[diagnosis](../diagnoses/README.md) lists its own.

| setting | flag of `run` | variable | default | |
| --- | --- | --- | --- | --- |
"""


def rows() -> Iterator[str]:
    """A line of the table for each setting."""
    told, flags = dict(sentences(Settings)), _flags(commands.commands["run"])
    for field, default in ((field.name, getattr(Settings(), field.name)) for field in fields(Settings)):
        flag = f"`{flags[field]}`" if field in flags else ""
        name, variable = field.replace("_", "-"), f"{PREFIX}{field.upper()}"
        yield f"| `{name}` | {flag} | `{variable}` | {_shown(default)} | {told[field]} |\n"


def _flags(command: click.Command) -> dict[str, str]:
    found = {it.name: it.opts[-1] for it in command.params if isinstance(it, click.Option) and it.name}
    return found | {"rules": "--set"}


def _shown(default: object) -> str:
    return "" if default in (None, (), {}) else f"`{str(default).lower()}`"


def text() -> str:
    """The whole page."""
    return HEAD + "".join(rows())


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
