"""Write docs/gallery: the page of each sick script, made by running it, and a list of them; the README's picture.

make gallery
"""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent / "gallery"
PICTURE = Path(__file__).parent / "assets" / "report.png"
SHOWN = "deep_sigmoid"
"""The script whose page is the README's picture."""

HEAD = """# Gallery

Ten sick scripts, unchanged, each run once by

    gradmedic run -o page.html script.py

Open a page to see what `-o report.html` and `--live` show: verdict, network, ledger, the run over time, maps.

| script | what is wrong with it | page |
| --- | --- | --- |
"""


def main() -> None:
    """Run every script and write what came of it."""
    scripts = sorted(FOLDER.glob("scripts/*.py"))
    for script in scripts:
        page_of(script)
    (FOLDER / "index.md").write_text("".join([HEAD, *rows(scripts)]), encoding="utf-8")
    picture(FOLDER / f"{SHOWN}.html")


def page_of(script: Path) -> None:
    """The page of one script."""
    command = [sys.executable, "-m", "gradmedic", "run", "--quiet", "-o", f"../{script.stem}.html", script.name]
    subprocess.run(command, cwd=script.parent, check=True, stdout=subprocess.DEVNULL)


def rows(scripts: list[Path]) -> Iterator[str]:
    """A row of the list for each script: its first line says what is wrong."""
    for script in scripts:
        told = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
        yield f"| [{script.name}](scripts/{script.name}) | {told} | [{script.stem}.html]({script.stem}.html) |\n"


def picture(page: Path) -> None:
    """What a browser shows of a page's top, where there is a browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no chromium: the picture stays as it is")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1000, "height": 760}, device_scale_factor=1)
        shown.goto(page.as_uri())
        shown.screenshot(path=str(PICTURE))
        browser.close()


if __name__ == "__main__":
    main()
