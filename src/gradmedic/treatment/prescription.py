"""What a run is treated with: remedies and their doses as plain values, and a file for them that reads well."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any, get_type_hints

from gradmedic.base.atomic_write import write
from gradmedic.base.errors import SettingsError
from gradmedic.base.settings import nearest, shortened
from gradmedic.base.value_types import is_of

Value = str | float | int | bool | Sequence[str] | Sequence[float]
Dose = Mapping[str, Value]


@dataclass(frozen=True)
class Item:
    """One remedy, by its name, at one dose: the values of its fields."""

    remedy: str
    dose: Dose = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """What trials have shown: how much better it ended than its paired control.

    `effect` is the mean over the pairs, `low` and `high` the ends of its interval; `unit` says what
    is compared ("decades of loss", or the name of a metric). `rescued` counts the pairs in which training
    broke without it and held with it: their effect has no size, and counts as 3. `versions` are those of
    gradmedic and torch.
    """

    effect: float
    low: float
    high: float
    unit: str = "decades of loss"
    seeds: int = 0
    rescued: int = 0
    steps: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prescription:
    """Remedies in the order in which they are given, and why one may trust them."""

    items: tuple[Item, ...] = ()
    evidence: Evidence | None = None
    script: str = ""

    def to_toml(self) -> str:
        """The text of a prescription file, made to be read and edited by hand."""
        return "\n".join(_lines(self))

    @classmethod
    def from_toml(cls, text: str, source: str = "prescription") -> "Prescription":
        """The prescription that a file's text describes.

        Raises `SettingsError` with one sentence that names `source` and what is wrong with it.
        """
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{source} is not valid TOML: {error}") from None
        _know(table, ("script", "remedy", "evidence"), source)
        if not isinstance(table.get("script", ""), str):
            raise SettingsError(f"{source}: script must be text; it is {shortened(repr(table['script']))}")
        remedies = table.get("remedy", [])
        if not isinstance(remedies, list) or not all(isinstance(one, dict) for one in remedies):
            raise SettingsError(f"{source}: write each remedy as a table under [[remedy]]")
        items = tuple(_item(one, source) for one in remedies)
        return cls(items, _evidence(table.get("evidence"), source), str(table.get("script", "")))

    def save(self, path: str | Path) -> None:
        """Write the prescription file."""
        write(Path(path), self.to_toml().encode())

    @classmethod
    def load(cls, path: str | Path) -> "Prescription":
        """Read a prescription file; raises `SettingsError` if there is none or it is wrong."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"cannot read the prescription {path}: {error.strerror or error}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{path} is no prescription: it is not text") from None
        return cls.from_toml(text, str(path))

    def code(self) -> str:
        """The lines to write into the script for the same effect, remedy by remedy, in the order of a script.

        A comment above them says where they belong.
        """
        from gradmedic import treatment  # which stands on torch

        return treatment.code(self)

    def apply(self, model: Any, optimizer: Any) -> AbstractContextManager[None]:
        """Train a model under this prescription inside of a `with` block; leaving it takes everything back.

        >>> with prescription.apply(model, optimizer):  # doctest: +SKIP
        ...     train(model, optimizer)

        Raises `RemedyError` where a remedy cannot be given, also later, when that shows inside of the block.
        """
        from gradmedic import treatment

        return treatment.apply(self, model, optimizer)


def _know(table: Mapping[str, object], known: Sequence[str], source: str) -> None:
    for key in table:
        if key not in known:
            raise SettingsError(f"{source}: nobody knows the key {key!r}{nearest(key, known)}")


def _item(table: Mapping[str, Any], source: str) -> Item:
    name = table.get("name")
    if not isinstance(name, str) or not name:
        raise SettingsError(f'{source}: a [[remedy]] needs a name, such as name = "clip-grad-norm"')
    dose = {key: value for key, value in table.items() if key != "name"}
    for key, value in dose.items():
        if not _is_value(value):
            raise SettingsError(f"{source}: {key} of {name} must be a number, text, true, false or a list of these")
    return Item(name, dose)


def _is_value(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str | int | float) for one in value)
    return isinstance(value, str | int | float)


def _evidence(table: object, source: str) -> Evidence | None:
    if table is None:
        return None
    if not isinstance(table, dict):
        raise SettingsError(f"{source}: [evidence] must be a table")
    _know(table, [f.name for f in fields(Evidence)], f"{source}, [evidence]")
    for key, hint in get_type_hints(Evidence).items():
        if key in table and not is_of(table[key], hint):
            raise SettingsError(f"{source}, [evidence]: {key} cannot be {shortened(repr(table[key]))}")
    try:
        return Evidence(**table)
    except TypeError:
        raise SettingsError(f"{source}: [evidence] needs effect, low and high") from None


def _lines(prescription: Prescription) -> Iterator[str]:
    yield "# A prescription of gradmedic. To train under it, with no change to the script:"
    yield "#     gradmedic run --with prescription.toml train.py"
    if prescription.script:
        yield from ("", f"script = {_written(prescription.script)}")
    for item in prescription.items:
        yield from ("", "[[remedy]]", f"name = {_written(item.remedy)}")
        yield from (f"{key} = {_written(value)}" for key, value in item.dose.items())
    if prescription.evidence is not None:
        yield from ("", "[evidence]")
        yield from (f"{one.name} = {_written(getattr(prescription.evidence, one.name))}" for one in fields(Evidence))
    yield ""


def _written(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):  # JSON's strings are TOML's, but for one control character
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, float):
        return repr(value) if isfinite(value) else str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_written(key)} = {_written(one)}' for key, one in value.items())} }}"
    inside = [_written(one) for one in value]
    flat = f"[{', '.join(inside)}]"
    return flat if len(flat) < 100 else "[\n" + "".join(f"    {one},\n" for one in inside) + "]"
