"""Whether the rules and thresholds that settings name exist."""

import dataclasses
from typing import Any, get_type_hints

from gradmedic.base.errors import SettingsError
from gradmedic.base.settings import Settings, nearest, table_of
from gradmedic.base.value_types import UnfitError, fitted_table
from gradmedic.diagnosis.rules import all_rules


def check_rules(settings: Settings) -> None:
    """Complain about rules and thresholds that do not exist."""
    if not settings.ignore and not settings.rules:
        return
    rules = all_rules()
    for name in (*settings.ignore, *settings.rules):
        if name not in rules:
            raise SettingsError(f"there is no rule {name!r}{nearest(name, rules)}")
    for name, table in settings.rules.items():
        _check_thresholds(rules[name], table_of(table))


def _check_thresholds(rule: Any, table: dict[str, Any]) -> None:
    """Complain about a threshold that a rule does not have, or one of another type."""
    known = get_type_hints(rule, include_extras=True)
    hints = {field.name: known[field.name] for field in dataclasses.fields(rule)}
    for key in table:
        if key not in hints:
            raise SettingsError(f"rule {rule.name!r} has no threshold {key!r}{nearest(key, hints)}")
    try:
        fitted_table(table, hints)
    except UnfitError as error:
        raise SettingsError(f"rules.{rule.name}.{error}") from None
