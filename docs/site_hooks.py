"""For the site: the Markdown of each page beside it, and llms.txt, which lists them for programs."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.utils import get_relative_url

TITLE = (
    "# gradmedic\n\n> First aid for gradients: run a PyTorch script unchanged, read what is wrong, where, and why.\n"
)
SECTIONS = {"": "Start", "how-to": "How to", "reference": "Reference", "diagnoses": "Diagnoses"}
SECTIONS |= {"remedies": "Remedies", "activations": "Activations", "explanation": "Explanation"}
ELSEWHERE = "https://unpkg.com/iframe-worker/shim"
SHIM = "assets/iframe-worker.js"


def on_config(config: Any) -> Any:
    """Called by MkDocs first: in the navigation a folder stands for its pages, in the order of their names."""
    # The search plug-in says nothing where jieba is missing, and finds only whole sentences of Chinese then.
    if find_spec("jieba") is None:
        raise PluginError('The search finds no Chinese words without jieba: pip install ".[site]"')
    config.nav = [_listed(entry, Path(config.docs_dir)) for entry in config.nav or []]
    return config


def _listed(entry: Any, docs: Path) -> Any:
    match entry:
        case dict():
            return {name: _listed(inner, docs) for name, inner in entry.items()}
        case str() if entry.endswith("/"):
            pages = sorted((docs / entry).glob("*.md"), key=lambda page: (page.stem != "README", page.stem))
            return [f"{entry}{page.name}" for page in pages if not page.stem.endswith(".zh")]
    return entry


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Called by MkDocs for each page: the one script that would be loaded from elsewhere is there."""
    return output.replace(ELSEWHERE, get_relative_url(SHIM, page.url))


def on_post_template(output_content: str, template_name: str, config: Any) -> str:
    """The same for the page of what is not found, which may be shown at any address."""
    return output_content.replace(ELSEWHERE, f"{config.site_url}{SHIM}")


def on_post_build(config: Any) -> None:
    """Called by MkDocs after each language; the English pages are listed."""
    source, site = Path(config.docs_dir), Path(config.site_dir)
    lines = [TITLE]
    for folder, name in SECTIONS.items():
        lines.append(f"\n## {name}\n\n")
        lines += [f"- [{title(page)}]({page.relative_to(source)})\n" for page in sorted((source / folder).glob("*.md"))]
    for page in source.rglob("*.md"):
        place = site / page.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, place)
    (site / "llms.txt").write_text("".join(line for line in lines if ".zh.md" not in line), encoding="utf-8")


def title(page: Path) -> str:
    """The first heading of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return next((line.lstrip("# ") for line in lines if line.startswith("# ")), page.stem)
