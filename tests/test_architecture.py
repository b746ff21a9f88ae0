"""The shape of the house: imports run downhill, reading never pays for torch, and everything stays small."""

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gradmedic
from gradmedic.errors import GradmedicError

SOURCE = Path(gradmedic.__file__).parent

# From the ground up. A part may import parts of lower lines, and those left of it in its own.
FLOORS = {
    "ground": "errors atomic_write interruption plugins settings shadows surroundings storage unheard",
    "facts": "site ledger recording finding progress report sketch placing prescription checkup trial prediction",
    "accounts": "scoring pairs units treatment curves comparison agreement budget length results",
    "store": "background chains shelf rows journal recorder merging archive",
    "judges": "layers outcome depth beginning growth through_time origins misfit wiring norms rates globs anatomy "
    "locale rules judge",
    "voices": "patching renderers explain sinks",
    "body": "activations theory probe init patient starts scaling clip remedies batches",
    "start": "arrival seeds sigterm exits stage delivery lookout session foresight launch warmup isolation scratch "
    "excerpt supervisor forkserver attempt runners copies",
    "proof": "candidates refining joining trials counterfactual ranking search swaps contest",
    "verbs": "manual verbs",
    "doors": "cli integrations",
}
RANK = {name: rank for rank, name in enumerate(" ".join(FLOORS.values()).split())}
WITHOUT_TORCH = {
    name for floor in ("ground", "facts", "accounts", "store", "judges", "voices") for name in FLOORS[floor].split()
}

LONGEST_FILE = 300
LONGEST_FUNCTION = 40
SAYS_NOTHING = {"common", "helper", "helpers", "manager", "managers", "misc", "tools", "util", "utils"}

FILES = sorted(SOURCE.rglob("*.py"))
files = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))


def part(file: Path) -> str:
    """The module or folder right under `gradmedic` that a file belongs to."""
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def module(file: Path) -> str:
    """The name under which a file is imported."""
    return ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def imported(file: Path) -> Iterator[str]:
    """The modules that a file imports, inside functions too; relative ones with their dots."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "gradmedic":
            yield from (f"gradmedic.{alias.name}" for alias in node.names if not alias.name.startswith("__"))
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def neighbors(file: Path) -> set[str]:
    """The other parts of gradmedic that a file imports."""
    names = (name.split(".") for name in imported(file))
    return {name[1] for name in names if name[0] == "gradmedic" and len(name) > 1} - {part(file)}


@files
def test_every_part_stands_on_a_floor(file: Path) -> None:
    assert part(file).startswith("__") or part(file) in RANK, f"give {part(file)} its place in FLOORS"


@files
def test_imports_run_downhill(file: Path) -> None:
    if part(file).startswith("__"):
        return
    above = {other for other in neighbors(file) if RANK.get(other, -1) > RANK.get(part(file), -1)}
    assert not above, f"{part(file)} may not import what stands above it: {', '.join(sorted(above))}"


@files
def test_imports_are_absolute(file: Path) -> None:
    assert not [name for name in imported(file) if name.startswith(".") or name == "gradmedic"]


@files
def test_files_stay_small(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines: split it"


@files
def test_functions_stay_small(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    swollen = [f.name for f in functions if (f.end_lineno or f.lineno) - f.lineno >= LONGEST_FUNCTION]
    assert not swollen, f"more than {LONGEST_FUNCTION} lines: {', '.join(swollen)}"


@files
def test_names_say_something(file: Path) -> None:
    assert not SAYS_NOTHING.intersection(file.relative_to(SOURCE).with_suffix("").parts)


@files
def test_every_file_says_what_it_is(file: Path) -> None:
    told = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    assert told, "begin with one plain sentence"
    assert told.splitlines()[0].endswith((".", ":", "?"))


@pytest.mark.parametrize("name", sorted(module(file) for file in FILES if part(file) in WITHOUT_TORCH))
def test_classes_are_abstract_or_final(name: str) -> None:
    for _, found in inspect.getmembers(importlib.import_module(name), inspect.isclass):
        if found.__module__ != name or issubclass(found, GradmedicError | Warning):
            continue
        for base in found.__bases__:
            if base.__module__.startswith("gradmedic."):
                assert inspect.isabstract(base), f"{found} inherits from {base}, which is not abstract"
                assert not [b for b in base.__bases__ if b.__module__.startswith("gradmedic.")], "one level deep"


def test_reading_and_judging_need_no_torch() -> None:
    names = sorted(module(file) for file in FILES if part(file) in WITHOUT_TORCH)
    assert loaded_by(f"import {', '.join(names)}", "torch") == []


def test_help_needs_neither_torch_nor_rich() -> None:
    code = "import sys; sys.argv[1:] = ['--help']; from gradmedic.cli import main\ntry: main()\nexcept SystemExit: pass"
    assert loaded_by(code, "torch", "rich", "numpy") == []


def loaded_by(code: str, *names: str) -> list[str]:
    """Which of the modules have been loaded once a fresh Python has run the code."""
    asked = f"{code}\nimport sys; print('loaded', *[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1].split()[1:]


def test_every_public_name_is_there() -> None:
    first, *others = gradmedic.__all__
    assert first == "__version__"
    assert others == sorted(set(others))
    assert all(hasattr(gradmedic, name) for name in gradmedic.__all__)
    assert dir(gradmedic) == sorted(gradmedic.__all__)


def test_an_unknown_public_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = gradmedic.nothing


INTERNALS = SOURCE / "probe" / "torch_internals.py"
NAMED_TUPLE = {"_replace", "_asdict", "_fields"}
"""Private by their names only."""


def private(name: str) -> bool:
    """True for a name that begins with one underscore."""
    return name.startswith("_") and not name.startswith("__") and len(name) > 1


def is_pythons(node: ast.AST) -> bool:
    """True for a module of the standard library, by the name that it is usually imported under."""
    return isinstance(node, ast.Name) and node.id in sys.stdlib_module_names


def foreign(tree: ast.Module) -> Iterator[str]:
    """The private names of others that a file touches: attributes, imports, and what `getattr` is asked."""
    own = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)} | NAMED_TUPLE
    own |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    own |= {n.target.id for n in ast.walk(tree) if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=of, attr=name) if private(name) and name not in own and not is_pythons(of):
                yield name
            case ast.Import(names=names):
                yield from (a.name for a in names if any(map(private, a.name.split(".")[1:])))
            case ast.ImportFrom(module=str(source), names=names) if source.startswith("torch"):
                parts = source.split(".")
                yield from (f"{source}.{a.name}" for a in names if any(map(private, [*parts, a.name])))
            case ast.Call(func=ast.Name(id="getattr" | "hasattr" | "setattr"), args=[_, asked, *_]):
                first = asked.values[0] if isinstance(asked, ast.JoinedStr) else asked
                if isinstance(first, ast.Constant) and private(str(first.value)):
                    yield str(first.value)


@files
def test_private_names_of_torch_stand_in_one_file(file: Path) -> None:
    touched = set(foreign(ast.parse(file.read_text(encoding="utf-8"))))
    assert file == INTERNALS or not touched, f"look these up in {INTERNALS.name}: {', '.join(sorted(touched))}"


@pytest.mark.parametrize(
    "code",
    [
        "torch._foreach_norm(x)",
        "torch.autograd._get_sequence_nr()",
        "node._saved_result",
        "getattr(node, f'_saved_{name}', None)",
        "hasattr(type(node), '_forward_cls')",
        "from torch._C import _disabled_torch_dispatch_impl",
        "from torch.utils._python_dispatch import TorchDispatchMode",
        "import torch._dynamo",
    ],
)
def test_a_private_name_is_found_however_it_is_touched(code: str) -> None:
    assert list(foreign(ast.parse(code)))
