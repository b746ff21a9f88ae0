"""Numbers as a reader wants them: no more digits than count."""


def number(value: object) -> str:
    """A number with three digits that count; anything else as it is."""
    if not isinstance(value, float | int):
        return str(value)
    return f"{value:.3g}" if not float(value).is_integer() or abs(value) >= 1e6 else str(int(value))
