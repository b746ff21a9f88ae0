"""Make everything look to a script as if Python itself had started it, and start it.

The script gets a real `__main__` module that stays in `sys.modules`, its own `sys.argv` and
`sys.path[0]`. What Python itself starts with the module `runpy` is started with that, so that
tracebacks have its lines.
"""

import builtins
import os
import sys
from importlib.machinery import BuiltinImporter, SourceFileLoader
from pkgutil import get_importer
from types import CodeType, ModuleType

from gradmedic.base.errors import LaunchError
from gradmedic.base.surroundings import folder
from gradmedic.launch.shadows import Shadows


def refuse_what_is_no_script(target: str) -> None:
    """Complain in one sentence about what cannot be run."""
    if not os.path.exists(target):
        raise LaunchError(f"there is no script {target}")
    if os.path.isdir(target) and not any(os.path.isfile(f"{target}/__main__.{end}") for end in ("py", "pyc")):
        raise LaunchError(f"{target} is a folder without __main__.py; name a script in it, or run a package with -m")


def perform(target: str, args: list[str], as_module: bool, shadows: Shadows) -> None:
    """Run the target as `__main__`, as after `python target args...`; what it raises is raised."""
    if as_module:
        set_the_scene(["-m", *args], folder(), shadows)
        become_main()
        run_as_main(target)
    elif get_importer(target) is not None:  # a folder, or an archive
        set_the_scene([target, *args], os.path.join(folder(), target), shadows, always=True)
        become_main()
        run_as_main("__main__")
    else:
        code = script_on_stage(target, args, shadows)
        exec(code, sys.modules["__main__"].__dict__)


def run_as_main(name: str) -> None:
    """Run a module, or the `__main__` of `sys.path[0]`, with what Python runs it with."""
    import runpy

    try:
        runpy._run_module_as_main(name, alter_argv=name != "__main__")  # type: ignore[attr-defined]
    except SystemExit as end:
        # What cannot be found is an error of runpy's own, from which this end was made.
        if type(end.__context__) is not runpy._Error:  # type: ignore[attr-defined]
            raise
        raise LaunchError(f"cannot run {name}: {end.__context__}") from None


def script_on_stage(target: str, args: list[str], shadows: Shadows) -> CodeType:
    """Make everything look as after `python target args...`; the compiled script."""
    set_the_scene([target, *args], os.path.dirname(os.path.realpath(target)), shadows)
    # Python names a script by its full path, but tidies that up no further than this.
    file = os.path.join(folder(), target)
    become_main(file, SourceFileLoader("__main__", file))
    try:
        with open(file, "rb") as script:
            source = script.read()
    except OSError as error:
        raise LaunchError(f"cannot read {target}: {error.strerror}") from None
    return compile(source, file, "exec", dont_inherit=True)


def set_the_scene(argv: list[str], place: str, shadows: Shadows, always: bool = False) -> None:
    """Put the script's arguments and its folder where the script looks for them."""
    sys.argv[:] = argv
    if not sys.flags.safe_path:
        del sys.path[0]
    if place and (always or not sys.flags.safe_path):
        sys.path.insert(0, place)
        shadows.part(place)


def become_main(file: str | None = None, loader: object = BuiltinImporter) -> None:
    """Put a fresh `__main__` in the place of ours, for good: pickle and multiprocessing look it up later."""
    main = ModuleType("__main__")
    names = {"__builtins__": builtins, "__loader__": loader, "__package__": None, "__spec__": None}
    main.__dict__.update(names | ({} if file is None else {"__file__": file, "__cached__": None}))
    if "__annotations__" in sys.modules["__main__"].__dict__:
        main.__annotations__ = {}
    sys.modules["__main__"] = main
