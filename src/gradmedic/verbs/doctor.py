"""What gradmedic can do on this machine: versions, devices, what this torch lacks, how trials are isolated."""

import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gradmedic.base.machine import Machine
from gradmedic.base.messages import Message
from gradmedic.base.settings import Settings
from gradmedic.base.surroundings import folder
from gradmedic.trials.isolation import Isolation, Workspace, found

PACKAGES = ("gradmedic", "torch", "numpy", "rich", "jinja2", "click")
TRAINERS = ("lightning", "transformers", "accelerate", "keras", "fastai", "peft", "trl", "stable-baselines3")

SENTENCES: Mapping[Isolation, Message] = {
    Isolation.OVERLAY: Message("trials see your folder through an overlay; what they write is thrown away"),
    Isolation.LOCKED_COPY: Message(
        "trials work in a copy of your folder; the kernel refuses what they write elsewhere"
    ),
    Isolation.LOCK: Message("your folder is too large to copy; the kernel refuses what trials write there"),
    Isolation.COPY: Message("trials work in a copy of your folder; writing elsewhere is found out, not refused"),
    Isolation.NONE: Message("nothing keeps trials from your folder: a first one tells what is written, then it ends"),
}


def doctor(settings: Settings | None = None) -> Machine:
    """Look at this machine; imports torch, trains nothing, and leaves no file behind."""
    from gradmedic.probe import torch_internals

    defaults = asdict(Settings())
    return Machine(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages={name: number for name in (*PACKAGES, *TRAINERS) if (number := _version(name))},
        devices=_devices(),
        lost=[capability.lost for capability in torch_internals.CAPABILITIES if not capability.there],
        trials=SENTENCES[_isolation()],
        settings={key: value for key, value in asdict(settings or Settings()).items() if value != defaults[key]},
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _devices() -> list[str]:
    import torch

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return [f"cpu ({os.cpu_count()} cores)", *names, *(["mps"] if torch.backends.mps.is_available() else [])]


def _isolation() -> Isolation:
    from gradmedic.launch.forkserver import tried

    here = folder()
    if not here or sys.platform != "linux":
        return Isolation.NONE
    with tempfile.TemporaryDirectory(prefix="gradmedic-") as scratch:
        output = Path(scratch, "output")
        output.mkdir()
        place = Workspace("", here, str(output), str(Path(scratch, "layers")), as_module=True)
        return found(place, list(Isolation), tried)
