"""Put a page together: the parts, the template, style, script and data, and the policy that admits nothing else."""

import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from markupsafe import Markup


def page(template: str, data: Mapping[str, Any], live: bool = False, **parts: Any) -> str:
    """A whole page from a template below `render`; `data` are named values that its script and others read.

    A `live` page asks the server that it comes from for news.
    """
    style, script = _asset("page.css"), _asset("page.js") + (_asset("live.js") if live else "")
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src 'sha256-{_hash(style)}'; script-src 'sha256-{_hash(script)}'"
        + ("; connect-src 'self'" if live else "")
    )
    blocks = {name: _embedded(value) for name, value in data.items()}
    return str(
        _templates()
        .get_template(template)
        .render(
            frame="page/frame.html.j2",
            policy=policy,
            style=Markup(style),
            script_code=Markup(script),
            data=blocks,
            **parts,
        )
    )


def fragment(template: str, lang: str, **parts: Any) -> str:
    """The same in one language as a piece of HTML for the output of a notebook's cell: no script, no data."""
    frame = "page/fragment.html.j2"
    return str(
        _templates().get_template(template).render(frame=frame, style=Markup(_asset("page.css")), lang=lang, **parts)
    )


def _embedded(value: Any) -> Markup:
    """JSON that no `</script>` within it can end."""
    told = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(told.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


@cache
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gradmedic.render", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = short
    return environment


def short(value: float | None) -> str:
    """A number of a table; a dash where nothing was measured."""
    return "-" if value is None else f"{value:.4g}"


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()
