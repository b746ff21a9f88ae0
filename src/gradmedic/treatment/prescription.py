"""What a run is treated with: remedies and their doses as plain values, and a file for them that reads well."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from gradmedic.base.atomic_write import write
from gradmedic.base.errors import SettingsError
from gradmedic.base.settings import nearest, toml_table
from gradmedic.base.value_types import LARGEST, Check, Filled, Index, UnfitError, fitted_table

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
    seeds: Index = 0
    rescued: Index = 0
    steps: Index = 0
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prescription:
    """Remedies in the order in which they are given, and why one may trust them."""

    items: tuple[Item, ...] = ()
    evidence: Evidence | None = None
    script: str = ""
    source: str = field(default="", compare=False, repr=False)
    """The file that it was read from, to be named in complaints."""

    def to_toml(self) -> str:
        """The text of a prescription file, made to be read and edited by hand."""
        return "\n".join(_lines(self))

    @classmethod
    def from_toml(cls, text: str, source: str = "prescription") -> "Prescription":
        """The prescription that a file's text describes.

        Raises `SettingsError` with one sentence that names `source` and what is wrong with it.
        """
        table = _checked(toml_table(text, source), FILE, source)
        items = tuple(_item(one, source) for one in table.get("remedy", ()))
        return cls(items, _evidence(table.get("evidence"), source), table.get("script", ""), source)

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


def _is_dose(value: object) -> bool:
    """Whether it is of a kind that a dose may be; its remedy knows which."""
    return all(_is_plain(one) for one in (value if isinstance(value, list) else [value]))


def _is_plain(value: object) -> bool:
    return isinstance(value, str | float) or (isinstance(value, int) and abs(value) <= LARGEST)


FILE: Mapping[str, Any] = {
    "script": str,
    "remedy": Annotated[tuple[Mapping[str, Any], ...], Check("tables, each written under [[remedy]]")],
    "evidence": Annotated[Mapping[str, Any], Check("a table, written under [evidence]")],
}
NAME = Annotated[Filled, Check('text, such as "clip-grad-norm"')]
DOSE = Annotated[Any, Check("a number, text, true, false or a list of these", _is_dose)]
EVIDENCE: Mapping[str, Any] = get_type_hints(Evidence, include_extras=True)


def _checked(table: Mapping[str, Any], hints: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The values of a table of the file; a complaint about a key that nobody knows, or a value that does not fit."""
    for key in table:
        if key not in hints:
            raise SettingsError(f"{source}: nobody knows the key {key!r}{nearest(key, hints)}")
    try:
        return fitted_table(table, hints)
    except UnfitError as error:
        raise SettingsError(f"{source}: {error}") from None


def _item(table: Mapping[str, Any], source: str) -> Item:
    if "name" not in table:
        raise SettingsError(f'{source}: a [[remedy]] needs a name, such as name = "clip-grad-norm"')
    name: str = _checked({"name": table["name"]}, {"name": NAME}, f"{source}, [[remedy]]")["name"]
    dose = {key: value for key, value in table.items() if key != "name"}
    return Item(name, _checked(dose, dict.fromkeys(dose, DOSE), f"{source}, {name}"))


def _evidence(table: Mapping[str, Any] | None, source: str) -> Evidence | None:
    if table is None:
        return None
    known = _checked(table, EVIDENCE, f"{source}, [evidence]")
    try:
        return Evidence(**known)
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
