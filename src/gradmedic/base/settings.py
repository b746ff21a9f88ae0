"""What a user may set, from flags, the environment and pyproject.toml, in one frozen value."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gradmedic.base.errors import SettingsError

PREFIX = "GRADMEDIC_"
HANDED_ON = "GRADMEDIC_SETTINGS"
"""The one environment variable that carries a whole `Settings` to a child process."""

SWITCH: Mapping[bool | str, bool] = {True: True, "1": True, "true": True, False: False, "0": False, "false": False}


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or not 0 <= float(value) <= 1:
        raise ValueError("must be a share between 0 and 1, such as 0.02")
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str) or int(value) < 1:
        raise ValueError("must be a whole number from 1 on")
    return int(value)


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a whole number")
    return int(value)


def _words(value: object) -> tuple[str, ...]:
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ValueError("must be a list of words")
    return tuple(word.strip() for word in words if word.strip())


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be text")
    return value


def _switch(value: object) -> bool:
    switch = SWITCH.get(value) if isinstance(value, bool | str) else None
    if switch is None:
        raise ValueError("must be true or false")
    return switch


def _one_of(*words: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return str(value)

    return read


def _tables(value: object) -> dict[str, dict[str, object]]:
    value = toml_value(value) if isinstance(value, str) else value
    if not isinstance(value, Mapping) or not all(isinstance(table, Mapping) for table in value.values()):
        raise ValueError("must hold a table for each rule, such as [tool.gradmedic.rules.dead-relu]")
    return {name: dict(table) for name, table in value.items()}


def option(default: Any, read: Callable[[object], object]) -> Any:
    """A field of `Settings`, with the function that checks what a user wrote into it."""
    if isinstance(default, dict):
        return field(default_factory=dict, metadata={"read": read})
    return field(default=default, metadata={"read": read})


@dataclass(frozen=True)
class Settings:
    """Every general option of gradmedic. Options of a rule or a sink belong to that rule or sink."""

    budget: float = option(0.02, _share)
    """The share of the run's time that gradmedic may take."""
    every: int | None = option(None, _count)
    """Read every n-th step whole, whatever it costs; None lets the budget decide."""
    outputs: tuple[str, ...] = option((), _words)
    """Files to write the report to; the suffix chooses the format."""
    record: str | None = option(None, _text)
    """The folder to keep the recording in."""
    prescription: str | None = option(None, _text)
    """The prescription file to train under."""
    fail_on: str | None = option(None, _one_of("note", "warning", "critical"))
    """The severity from which the exit code is 3."""
    stop_on: str | None = option(None, _one_of("note", "warning", "critical"))
    """The severity at which the run is ended."""
    ignore: tuple[str, ...] = option((), _words)
    """Rules to leave out."""
    quiet: bool = option(False, _switch)
    """Print nothing."""
    lang: str = option("en", _one_of("en", "zh"))
    """The language of screens and reports: "en" or "zh"."""
    rules: Mapping[str, Mapping[str, object]] = option({}, _tables)
    """Thresholds by rule name."""
    steps: int | None = option(None, _count)
    """The step after which the run is ended."""
    seed_shift: int | None = option(None, _number)
    """What is added to every seed that the script sets; None leaves seeds alone."""
    trial: bool = option(False, _switch)
    """End the run as soon as it has failed: a remedy cannot be given, or the loss is lost for good."""


READ: Mapping[str, Callable[[object], object]] = {f.name: f.metadata["read"] for f in fields(Settings)}


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
        raise SettingsError(f"environment variable {HANDED_ON} must be a table in JSON; it is {shortened(text)}")
    return table


def handed_on(settings: Settings) -> dict[str, str]:
    """The environment that gives a child process the same settings."""
    return {HANDED_ON: json.dumps(asdict(settings))}


def merged(settings: Settings, table: Mapping[str, object], source: str) -> Settings:
    """`settings` with the values of `table` in place of its own; `source` is named in complaints."""
    for written, value in table.items():
        key = written.lower().replace("-", "_")
        if key not in READ:
            known = {key.replace("_", "-") if "-" in written else key for key in READ}
            raise SettingsError(f"{source}: nobody knows the key {written!r}{nearest(written.lower(), known)}")
        try:
            read: Any = None if value is None and getattr(Settings(), key) is None else READ[key](value)
        except ValueError as error:
            raise SettingsError(f"{source}: {written} {_reason(error)}; it is {shortened(repr(value))}") from None
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
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where something known is close to `word`, else nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def shortened(text: str) -> str:
    """The text of a value for a complaint, of which the start is enough."""
    return text if len(text) <= 80 else f"{text[:77]}..."


def _reason(error: ValueError) -> str:
    told = str(error)
    return told if told.startswith("must") else "must be a number"


def _overlaid(below: Mapping[str, Mapping[str, object]], above: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    return {name: {**below.get(name, {}), **above.get(name, {})} for name in (*below, *above)}


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    for name in sorted(environ):
        if name.startswith(PREFIX):
            yield name.removeprefix(PREFIX), environ[name]


def _project_tables(folder: Path) -> Iterator[tuple[Path, Mapping[str, object]]]:
    """The table of the nearest pyproject.toml that has one, with its file."""
    import tomllib

    for place in (folder, *folder.parents):
        file = place / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file} is not valid TOML: {error}") from None
        if not isinstance(tool, Mapping) or not isinstance(tool.get("gradmedic", {}), Mapping):
            raise SettingsError(f"{file}: tool.gradmedic must be a table, written once as [tool.gradmedic]")
        if "gradmedic" in tool:
            yield file, tool["gradmedic"]
            return
