"""The shape of the house: imports run downhill, reading never pays for torch, and everything stays small."""

import ast
import importlib
import inspect
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import gradmedic
from gradmedic.base.errors import GradmedicError

SOURCE = Path(gradmedic.__file__).parent

# From the ground up. A part may import parts to its left. Within a part, floors follow from the imports: no rings.
FLOORS = "base recording theory diagnosis probe prediction treatment trials render launch verbs cli"
BESIDE = {"sinks": "render", "live": "render", "integrations": "cli"}
RANK = {name: rank for rank, name in enumerate(FLOORS.split())}
RANK |= {name: RANK[other] for name, other in BESIDE.items()}

# Where a module is imported by a name that is no literal: plug-ins, families, and what the script itself names.
BY_NAME = {"__init__", "base/plugins", "launch/preload", "launch/script", "theory/propagation/__init__"}

WITHOUT_TORCH = (
    *("base", "recording", "diagnosis", "render", "sinks", "treatment.patching", "trials.trial", "trials.scoring"),
    *("treatment.prescription", "treatment.code_places", "treatment.learning_rate_doses", "treatment.gradient_norms"),
    *(
        "treatment.operation_names",
        "prediction.prediction",
        "prediction.coordinate_check",
        "trials.run_summary",
        "trials.paired_effect",
    ),
    *("trials.loss_units", "trials.patch_agreement", "trials.budget", "trials.trial_length", "trials.result_store"),
    *("integrations.pytest_plugin", "integrations.lightning_entry"),
    *("trials.loss_curves", "trials.comparison.comparison", "trials.search.treatment_result"),
)
BUT = ("render.manual",)
"""Pages that compute what they show."""

LONGEST_FILE = 300
LONGEST_FUNCTION = 40
MOST_FILES = 20
FAMILIES = {
    *("diagnosis/rules", "theory/activations", "theory/propagation", "treatment/patching/edits", "render/report"),
    *(f"treatment/remedies/{depth}" for depth in ("update", "weights", "model")),
}
"""Folders of many small files of one kind."""

SAYS_NOTHING = {"common", "helper", "helpers", "manager", "managers", "misc", "tools", "util", "utils"}
RIDDLES = {
    *("arrival", "births", "booking", "chains", "foresight", "foretelling", "hands", "journal", "lookout", "misfit"),
    *("people", "quiet", "seat", "shelf", "undisturbed", "unheard", "voices", "watcher", "wiring"),
}
"""Names that files once had, which told nobody what is in them."""
NO_NOUNS = {
    *("Asked", "Ended", "Given", "Held", "Kept", "Known", "Left", "Made", "Owned", "Patched", "Returned", "Seen"),
    *("Sent", "Stopped", "Told", "Until", "Where", "Wish", "Words", "Written"),
    *("Births", "Chains", "Forecasts", "Foresight", "Foretelling", "Hands", "Journal", "Look", "Lookout", "Misfit"),
    *("People", "Quiet", "Wiring"),
}
"""Names that classes once had: participles and riddles in place of the field's own words."""

FILES = sorted(SOURCE.rglob("*.py"))
FOLDERS = sorted({file.parent for file in FILES})


def over(places: Sequence[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Make one test of a check that is to hold in all places: thousands of tests cost more than they check."""

    def decorate(check: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            wrong = [
                f"{place.relative_to(SOURCE)}: {problem}" for place in places if (problem := failure(check, place))
            ]
            assert not wrong, "\n".join(wrong)

        test.__name__ = check.__name__
        return test

    return decorate


def failure(check: Callable[[Path], None], place: Path) -> str:
    """What a check has to say against a file or folder."""
    try:
        check(place)
    except (AssertionError, pytest.fail.Exception) as error:
        return str(error).partition("\n")[0]
    return ""


files, folders = over(FILES), over(FOLDERS)


def part(file: Path) -> str:
    """The module or folder right under `gradmedic` that a file belongs to."""
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def module(file: Path) -> str:
    """The name under which a file is imported."""
    return ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(file): file for file in FILES}


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules that code imports, inside functions and by strings too; relative ones with their dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and f"{node.module}".startswith("gradmedic"):
            named = [f"{node.module}.{alias.name}" for alias in node.names if not alias.name.startswith("__")]
            yield from (name if name in MODULES else f"{node.module}" for name in named)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.Call) and node.args and "import_module" in ast.unparse(node.func):
            yield from by_string(node.args[0])


@cache
def imports(file: Path) -> tuple[str, ...]:
    """The modules that a file imports, each as often as it says so."""
    return tuple(imported(parsed(file)))


def by_string(node: ast.expr) -> Iterator[str]:
    """The module that a string names, or the folder, if the string is put together."""
    first = node.values[0] if isinstance(node, ast.JoinedStr) else node
    if isinstance(first, ast.Constant) and (name := str(first.value).rstrip(".")).startswith("gradmedic."):
        yield name


def neighbors(file: Path) -> set[str]:
    """The other parts of gradmedic that a file imports."""
    names = (name.split(".") for name in imports(file))
    return {name[1] for name in names if name[0] == "gradmedic" and len(name) > 1} - {part(file)}


def arrows(folder: Path) -> Mapping[str, set[str]]:
    """Which files and folders in a folder import which others in it."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in FILES:
        if not file.is_relative_to(folder) or file == folder / "__init__.py":
            continue
        here = file.relative_to(folder).parts[0]
        for name in imports(file):
            other = MODULES.get(name)
            if other is not None and other.is_relative_to(folder) and other != folder / "__init__.py":
                found[here] |= {other.relative_to(folder).parts[0]} - {here}
    return found


@files
def test_every_part_stands_on_a_floor(file: Path) -> None:
    assert part(file).startswith("__") or part(file) in RANK, f"{part(file)} is none of: {FLOORS}"


@files
def test_imports_run_downhill(file: Path) -> None:
    if part(file).startswith("__"):
        return
    above = {other for other in neighbors(file) if RANK.get(other, -1) > RANK[part(file)]}
    assert not above, f"{part(file)} may not import what stands above it: {', '.join(sorted(above))}"


@files
def test_no_import_hides_in_a_string(file: Path) -> None:
    calls = [node for node in ast.walk(parsed(file)) if isinstance(node, ast.Call)]
    hidden = any("import_module" in ast.unparse(call.func) for call in calls)
    assert hidden == (file.relative_to(SOURCE).with_suffix("").as_posix() in BY_NAME)


@folders
def test_nothing_in_a_folder_runs_in_a_ring(folder: Path) -> None:
    try:
        TopologicalSorter(arrows(folder)).prepare()
    except CycleError as error:
        pytest.fail(f"a ring: {' <- '.join(error.args[1])}")


def needed(file: Path) -> set[str]:
    """What is loaded before a file can be: what it imports at its top, and the packages that this is in."""
    top = ast.Module([node for node in parsed(file).body if not isinstance(node, ast.FunctionDef | ast.ClassDef)], [])
    named = {name for name in imported(top) if name in MODULES}
    around = {".".join(name.split(".")[:n]) for name in named for n in range(2, name.count(".") + 1)}
    return named | {name for name in around if not module(file).startswith(f"{name}.")} - {module(file)}


def test_any_module_may_be_the_first_that_is_loaded() -> None:
    try:
        TopologicalSorter({module(file): needed(file) for file in FILES}).prepare()
    except CycleError as error:
        pytest.fail(f"loading would run in a ring: {' <- '.join(error.args[1])}")


@files
def test_imports_are_absolute(file: Path) -> None:
    assert not [name for name in imports(file) if name.startswith(".") or name == "gradmedic"]


@files
def test_imports_by_string_find_something(file: Path) -> None:
    named = [name for name in imports(file) if name.startswith("gradmedic.")]
    assert not [name for name in named if name not in MODULES]


@files
def test_files_stay_small(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines: split it"


@folders
def test_folders_stay_small(folder: Path) -> None:
    several = [file for file in folder.glob("*.py") if not file.name.startswith("__")]
    name = folder.relative_to(SOURCE).as_posix()
    assert len(several) <= MOST_FILES or name in FAMILIES, f"{len(several)} files and no family: make folders of it"


@files
def test_functions_stay_small(file: Path) -> None:
    functions = [node for node in ast.walk(parsed(file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    swollen = [f.name for f in functions if (f.end_lineno or f.lineno) - f.lineno >= LONGEST_FUNCTION]
    assert not swollen, f"more than {LONGEST_FUNCTION} lines: {', '.join(swollen)}"


def is_unfinished(node: ast.ClassDef) -> bool:
    """True for a class with a field that is declared and given no value, though nothing fills it at construction."""
    filled = {"NamedTuple", "TypedDict", "Protocol", "ABC"} & {ast.unparse(base).split("[")[0] for base in node.bases}
    made = any(isinstance(one, ast.FunctionDef) and one.name == "__new__" for one in node.body)
    if filled or made or any("dataclass" in ast.unparse(one) for one in node.decorator_list):
        return False
    bare = [one for one in node.body if isinstance(one, ast.AnnAssign) and one.value is None]
    return any("ClassVar" not in ast.unparse(one.annotation) for one in bare)


@files
def test_objects_are_built_whole(file: Path) -> None:
    classes = [node for node in ast.walk(parsed(file)) if isinstance(node, ast.ClassDef)]
    assert not [node.name for node in classes if is_unfinished(node)], "give it all of its fields at once"


# Cached for each of a handful of arguments: plug-in groups, languages, our own types and files.
FEW = {"base/plugins.py", "base/locale/__init__.py", "base/value_types.py", "recording/encoding.py"}
FEW |= {"render/page/document.py"}


@files
def test_no_cache_grows_without_bound(file: Path) -> None:
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(one) == "cache" for one in node.decorator_list):
            assert not node.args.args or file.relative_to(SOURCE).as_posix() in FEW, f"{node.name}: lru_cache(n)"


@files
def test_names_say_something(file: Path) -> None:
    assert not (SAYS_NOTHING | RIDDLES).intersection(file.relative_to(SOURCE).with_suffix("").parts)


@files
def test_every_file_says_what_it_is(file: Path) -> None:
    told = ast.get_docstring(parsed(file))
    assert told, "begin with one plain sentence"
    assert told.splitlines()[0].endswith((".", ":", "?"))


def public_classes() -> Iterator[str]:
    """The names of the classes that stand at the top of files."""
    for file in FILES:
        yield from (n.name for n in parsed(file).body if isinstance(n, ast.ClassDef) and not n.name.startswith("_"))


def test_no_two_public_classes_have_one_name() -> None:
    twice = {name for name, n in Counter(public_classes()).items() if n > 1}
    assert twice == set(), "find another name"


def test_names_of_classes_are_nouns_that_say_something() -> None:
    assert set(public_classes()) & NO_NOUNS == set(), "see docs/explanation/glossary.md"


def needs_no_torch(name: str) -> bool:
    """True for what reading, judging and drawing are made of."""
    short = f"{name.removeprefix('gradmedic.')}."
    return any(short.startswith(f"{one}.") for one in WITHOUT_TORCH) and not any(short.startswith(f"{b}.") for b in BUT)


TORCH_FREE = sorted(name for name in MODULES if needs_no_torch(name))


@pytest.mark.parametrize("name", TORCH_FREE)
def test_classes_are_abstract_or_final(name: str) -> None:
    for _, found in inspect.getmembers(importlib.import_module(name), inspect.isclass):
        if found.__module__ != name or issubclass(found, GradmedicError | Warning):
            continue
        for base in found.__bases__:
            if base.__module__.startswith("gradmedic."):
                assert inspect.isabstract(base), f"{found} inherits from {base}, which is not abstract"
                assert not [b for b in base.__bases__ if b.__module__.startswith("gradmedic.")], "one level deep"


def test_reading_and_judging_need_no_torch() -> None:
    assert {name.split(".")[0] for name in WITHOUT_TORCH} <= RANK.keys()
    assert not [one for one in WITHOUT_TORCH if f"gradmedic.{one}" not in MODULES], "it is not there any more"
    assert loaded_by(f"import {', '.join(TORCH_FREE)}", "torch") == []


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
