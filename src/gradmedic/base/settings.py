"""What a user may set, from flags, the environment and pyproject.toml, in one frozen value."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from gradmedic.base.errors import SettingsError
from gradmedic.base.value_types import Check, Count, Filled, Share, UnfitError, fitted, kind_of, shown

PREFIX = "GRADMEDIC_"
HANDED_ON = "GRADMEDIC_SETTINGS"
"""The one environment variable that carries a whole `Settings` to a child process."""

SWITCH: Mapping[str, bool] = {"1": True, "true": True, "0": False, "false": False}

Words = Annotated[tuple[str, ...], Check('a list of words, such as ["loss-spike"]')]
Severity = Annotated[str, Check("one of note, warning, critical", ("note", "warning", "critical").__contains__)]
Language = Annotated[str, Check("one of en, zh", ("en", "zh").__contains__)]
Tables = Annotated[
    Mapping[str, Mapping[str, object]],
    Check("a table for each rule, such as [tool.gradmedic.rules.dead-relu]"),
]


@dataclass(frozen=True)
class Settings:
    """Every general option of gradmedic. Options of a rule or a sink belong to that rule or sink."""

    budget: Share = 0.02
    """The share of the run's time that gradmedic may take."""
    every: Count | None = None
    """Read every n-th step whole, whatever it costs; None lets the budget decide."""
    outputs: Words = ()
    """Files to write the report to; the suffix chooses the format."""
    json: bool = False
    """Print the report as JSON at the end of stdout."""
    record: Filled | None = None
    """The folder to keep the recording in; "auto" for a new one under .gradmedic/runs."""
    log_to: Words = ()
    """Trackers to send numbers to: tensorboard, wandb, mlflow, trackio, or auto for those that the script opens."""
    live: bool = False
    """Show the run in a browser while it goes on."""
    prescription: Filled | None = None
    """The prescription file to train under."""
    fail_on: Severity | None = None
    """The severity from which the exit code is 3."""
    stop_on: Severity | None = None
    """The severity at which the run is ended."""
    ignore: Words = ()
    """Rules to leave out."""
    quiet: bool = False
    """Print nothing."""
    lang: Language = "en"
    """The language of screens and reports: "en" or "zh"."""
    rules: Tables = field(default_factory=dict)
    """Thresholds by rule name."""
    steps: Count | None = None
    """The step after which the run is ended."""
    seed_shift: int | None = None
    """What is added to every seed that the script sets; None leaves seeds alone."""
    trial: bool = False
    """End the run as soon as it has failed: a remedy cannot be given, or the loss is lost for good."""


LOST = 25
"""Losses in a row that are not finite, after which a trial has failed: what comes back has only been skipping."""

HINTS: Mapping[str, Any] = get_type_hints(Settings, include_extras=True)


def load(flags: Mapping[str, object], folder: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a run in `folder`: flags over environment over pyproject.toml over defaults.

    A flag that is None was not given. Settings that a parent process hands on stand for the
    environment and pyproject.toml both, since the parent has read these already.
    """
    settings = Settings()
    if HANDED_ON in environ:
        settings = merged(settings, _table_in(environ[HANDED_ON]), HANDED_ON)
    else:
        for file, table in _project_tables(folder):
            settings = merged(settings, table, f"[tool.gradmedic] in {file}")
        for key, value in _from_environment(environ):
            settings = merged(settings, {key: value}, f"environment variable {PREFIX}{key}")
    given = {key: value for key, value in flags.items() if value is not None}
    return merged(settings, given, "command line")


def _table_in(text: str) -> Mapping[str, object]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        raise SettingsError(f"environment variable {HANDED_ON} is not JSON") from None
    if not isinstance(table, dict):
        raise SettingsError(f"environment variable {HANDED_ON} must be a table in JSON; it is {shown(text)}")
    return table


def handed_on(settings: Settings) -> dict[str, str]:
    """The environment that gives a child process the same settings."""
    return {HANDED_ON: json.dumps(asdict(settings))}


def merged(settings: Settings, table: Mapping[str, object], source: str) -> Settings:
    """`settings` with the values of `table` in place of its own; `source` is named in complaints."""
    for written, value in table.items():
        key = written.lower().replace("-", "_")
        if key not in HINTS:
            known = {key.replace("_", "-") if "-" in written else key for key in HINTS}
            raise SettingsError(f"{source}: nobody knows the key {written!r}{nearest(written.lower(), known)}")
        try:
            read = fitted(value, HINTS[key])
        except UnfitError as error:
            raise SettingsError(f"{source}: {written} {error}") from None
        if key == "rules":
            read = _overlaid(settings.rules, read)
        change: dict[str, Any] = {key: read}
        settings = replace(settings, **change)
    return settings


def assignments(texts: Iterable[str]) -> dict[str, object]:
    """The nested table that `KEY=VALUE` texts describe; dots in a key lead deeper, as in TOML."""
    top: dict[str, object] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        *way, last = (part.strip() for part in path.split("."))
        if not equals or not last:
            raise SettingsError(f"--set {text}: write it as KEY=VALUE, such as rules.dead-relu.share=0.5")
        table = top
        for part in way:
            table = table_of(table.setdefault(part, {}))
        table[last] = toml_value(value)
    return top


def table_of(value: object) -> dict[str, Any]:
    """`value` if it is a table; a complaint if something else stands where a table should."""
    if not isinstance(value, dict):
        raise SettingsError(f"a table should stand where {value!r} does")
    return value


def toml_value(text: str) -> object:
    """What `text` means on the right-hand side of a TOML line; plain words need no quotes."""
    try:
        return toml_table(f"value = {text}", "")["value"]
    except SettingsError:
        return text.strip()


def toml_table(text: str, source: str) -> dict[str, Any]:
    """The table that the text of a TOML file describes."""
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, a list in a list in a list ...
        raise SettingsError(f"{source} is not valid TOML: {error}") from None


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where something known is close to `word`, else nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _overlaid(below: Mapping[str, Mapping[str, object]], above: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    return {name: {**below.get(name, {}), **above.get(name, {})} for name in (*below, *above)}


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    for name in sorted(environ):
        if name.startswith(PREFIX):
            key = name.removeprefix(PREFIX)
            yield key, _meant(environ[name], kind_of(HINTS.get(key.lower())))


def _meant(text: str, kind: Any) -> object:
    """What the text of a variable stands for; the text itself where that is not to be told."""
    if kind is tuple:
        return [word.strip() for word in text.split(",") if word.strip()]
    if kind is bool:
        return SWITCH.get(text, text)
    if kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return toml_value(text) if kind is Mapping else text


def _project_tables(folder: Path) -> Iterator[tuple[Path, Mapping[str, object]]]:
    """The table of the nearest pyproject.toml that has one, with its file."""
    for place in (folder, *folder.parents):
        file = place / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            tool = toml_table(file.read_text(encoding="utf-8"), str(file)).get("tool", {})
        except UnicodeDecodeError as error:
            raise SettingsError(f"{file} is not valid TOML: {error}") from None
        except OSError as error:
            raise SettingsError(f"cannot read {file}: {error.strerror or error}") from None
        if not isinstance(tool, Mapping) or not isinstance(tool.get("gradmedic", {}), Mapping):
            raise SettingsError(f"{file}: tool.gradmedic must be a table, written once as [tool.gradmedic]")
        if "gradmedic" in tool:
            yield file, tool["gradmedic"]
            return
