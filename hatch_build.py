"""Build the C library that reads tensors, into the wheel, where a C compiler is at hand.

Without one gradmedic is installed all the same, and torch reads instead, which takes longer.
`python hatch_build.py` builds the library where the sources are, as an editable installation does;
with GRADMEDIC_PURE set in the environment a wheel has none, and fits every machine.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zlib
from pathlib import Path
from typing import Any

SOURCE = "src/gradmedic/probe/reading/one_pass.c"
LIBRARY = "one_pass.shared"
FLAGS = ("-O3", "-std=c11", "-shared", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math")
SIMD = "-fopenmp-simd"
"""Loops run on vectors; a compiler that does not know it is asked again without."""
NO_COMPILER = "no C compiler is at hand: gradmedic reads tensors by torch, which takes longer"


def compiled(source: Path, library: Path) -> bool:
    """Compile the library; False where there is no compiler, or it fails."""
    wanted = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    compiler = next((found for name in wanted if name and (found := shutil.which(name))), None)
    if compiler is None:
        return False
    print_of_source = f"-DSOURCE={zlib.crc32(source.read_bytes())}u"
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        fresh = Path(folder, library.name)  # who has loaded the old one keeps it
        for simd in ((SIMD,), ()):
            command = [compiler, *FLAGS, *simd, print_of_source, "-o", str(fresh), str(source), "-lm"]
            if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                fresh.replace(library)
                return True
    return False


def get_build_hook() -> type:
    """What hatchling asks for."""
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class Library(BuildHookInterface):
        """Adds the library to what is built, and says so if there is none."""

        PLUGIN_NAME = "custom"

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Compile before the files are gathered."""
            source = Path(self.root, SOURCE)
            library = source.with_name(LIBRARY)
            if os.environ.get("GRADMEDIC_PURE"):
                library.unlink(missing_ok=True)
            elif compiled(source, library):
                platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
                build_data["artifacts"].append(library.relative_to(self.root).as_posix())
                build_data.update(pure_python=False, tag=f"py3-none-{platform}")
            else:
                library.unlink(missing_ok=True)
                self.app.display_warning(NO_COMPILER)

    return Library


if __name__ == "__main__":
    HERE = Path(__file__).parent / SOURCE
    sys.exit(None if compiled(HERE, HERE.with_name(LIBRARY)) else NO_COMPILER)
