"""Write a prescription into the user's own script, and see whether that does what the trial did."""

import hashlib
import io
import os
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from gradmedic.base import atomic_write
from gradmedic.base.errors import LaunchError, ProbeError
from gradmedic.recording.records import Recording
from gradmedic.treatment.patching import Order, Patch, patched
from gradmedic.treatment.patching.script.source import ParsedScript
from gradmedic.treatment.prescription import Prescription
from gradmedic.trials.budget import PATIENCE, SLACK
from gradmedic.trials.isolation.folder_copy import is_within
from gradmedic.trials.patch_agreement import Agreement, Degree, agreement, refusal
from gradmedic.trials.runners.local import Local
from gradmedic.trials.trial import Outcome, RunEnd, Script, Trial
from gradmedic.trials.trial_length import cut

SHARE = 0.3
"""Share of the time that each of the three runs may take."""


SEEDS = (0, 1, 2)
"""What is added to the script's seeds: the first alone, where that is enough."""


@dataclass(frozen=True)
class PatchResult:
    """A patch, the code of what was left out of it, and how the patched script trained, if it was run."""

    patch: Patch
    file: Path
    encoding: str = "utf-8"
    code: str = ""
    agreement: Agreement | None = None

    @property
    def holds(self) -> bool:
        """True where something was written, and nothing is known against it."""
        return bool(self.patch.written) and (self.agreement is None or self.agreement.holds)

    @property
    def diff(self) -> str:
        """The patch as a unified diff, with the file's name as it is seen from this folder."""
        return self.patch.diff(os.path.relpath(self.file).replace(os.sep, "/"))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the diff, for `patch -p0` and `git apply`."""
        atomic_write.write(Path(path), self.diff.encode(self.encoding))

    def apply(self) -> Path:
        """Write the patched script; the old one is kept beside it, as the file that is returned.

        Raises `LaunchError` where that cannot be written; the script is then as it was.
        """
        kept = None
        try:
            kept = atomic_write.keep(self.file)
            atomic_write.write(self.file, self.patch.text.encode(self.encoding))
        except OSError as error:
            if kept is not None:
                kept.unlink(missing_ok=True)
            raise LaunchError(f"cannot write {self.file}, which is as it was: {error.strerror}") from None
        return kept


@dataclass(frozen=True)
class KnownRuns:
    """Runs that are known already: the script as it is, observed, and under the prescription, by seed shift."""

    control: Outcome
    trials: Mapping[int, Outcome] = field(default_factory=dict)


def patch(
    prescription: Prescription,
    script: str | os.PathLike[str] = "",
    args: Sequence[str] = (),
    *,
    check: bool = True,
    minutes: float = 3.0,
    steps: int | None = None,
    as_module: bool = False,
    in_place: bool = False,
    seen: KnownRuns | None = None,
) -> PatchResult:
    """Write what is certain of a prescription into a script, as a diff; the file itself is not touched.

    With `check` the script is run three times on this machine: as it is, under the prescription, and patched,
    in a folder that looks like its own, or itself where it may write `in_place`; for `steps` steps, or as many
    as `minutes` allow. Where the latter two part, both are run with up to two more seeds. Without it nothing is
    run, and less is certain: where a module is made has then to be plain from the text.

    Raises `LaunchError` if there is no such script, `RemedyError` for a remedy that nobody knows.
    """
    target = os.fspath(script) or prescription.script
    if not target:
        raise LaunchError("the prescription names no script; name one")
    work = Script(target, tuple(args), as_module, os.getcwd(), in_place)
    return _checked(prescription, work, minutes, steps, seen) if check else _written(prescription, work)


def _written(prescription: Prescription, work: Script, recording: Recording | None = None) -> PatchResult:
    """The patch, by the text and what was seen of it."""
    from gradmedic.treatment.remedies import remedy_from

    file = file_of(work)
    raw = file.read_bytes()
    text, encoding = decoded(raw, file)
    treated = prescription.evidence.versions.get("script") if prescription.evidence is not None else None
    is_other = bool(treated) and treated != _digest(raw)
    source = ParsedScript(text, file.name, work.args, recording, is_other)
    orders = [Order(item, remedy_from(item, prescription.source).code()) for item in prescription.items]
    made = patched(source, orders)
    left = Prescription(tuple(one.item for one in made.left))
    return PatchResult(made, file, encoding, left.code())


def _checked(
    prescription: Prescription, work: Script, minutes: float, steps: int | None, seen: KnownRuns | None
) -> PatchResult:
    """The patch, and how the patched script trains beside the trial."""
    seconds = 60 * minutes * SHARE
    with Local(work, jobs=1) as place:
        control = seen.control if seen is not None else _run(place, Trial(observed=True, steps=steps, seconds=seconds))
        if control.recording is None or not control.recording.vitals:
            raise ProbeError(f"the script did not train while gradmedic watched: {control.error or control.ended}")
        found = _written(prescription, work, control.recording)
        if not found.patch.written:
            return found
        known = seen.trials if seen is not None and found.patch.is_whole else {}
        return replace(found, agreement=_compared(found, place, control, known))


def _compared(found: PatchResult, place: Local, control: Outcome, known: Mapping[int, Outcome]) -> Agreement:
    """Run the patched script beside the trial; where luck may have parted them, with other seeds, too."""
    if not control.ended.well and control.trial.steps is None and control.steps > 1:
        control = cut(control, control.steps - 1)  # as far as it came
    work, pairs = place.script, []
    limit = PATIENCE * control.seconds + SLACK
    given = replace(control.trial, prescription=Prescription(found.patch.written), observed=False, seconds=limit)
    for seed in SEEDS:
        place.script = work
        trial = known.get(seed) or _run(place, replace(given, seed_shift=seed))
        if trial.ended is RunEnd.REFUSED:  # such as an optimizer that turned out to be none: it is not tried as code
            return refusal(trial)
        with replaced(found, work, place) as place.script:
            pairs.append((_run(place, replace(trial.trial, prescription=Prescription())), trial))
        agreed = agreement(pairs, control)
        if agreed.degree is not Degree.APART:
            break
    return agreed


def _run(place: Local, trial: Trial) -> Outcome:
    [outcome] = place.run([trial])
    return outcome


@contextmanager
def replaced(found: PatchResult, work: Script, place: Local) -> Iterator[Script]:
    """The script with the patched text: only its trials see that, where it lies in what they have of their own."""
    data = found.patch.text.encode(found.encoding)
    if place.has_own(found.file):
        name = os.path.relpath(found.file, work.folder) if is_within(str(found.file), work.folder) else str(found.file)
        yield replace(work, text=(name, data.decode("latin-1")))
        return
    twin = found.file.with_name(f"{found.file.stem}_patched_{os.getpid()}.py")
    try:
        atomic_write.write(twin, data)
    except OSError as error:
        raise LaunchError(f"cannot write {twin}, to try the patch: {error.strerror}") from None
    try:
        yield replace(work, target=_beside(work, twin))
    finally:
        twin.unlink(missing_ok=True)


def _beside(work: Script, twin: Path) -> str:
    """What the copy is called where the original is called `target`."""
    if not work.as_module:
        return str(Path(work.target).with_name(twin.name))
    return ".".join(twin.relative_to(work.folder).with_suffix("").parts)


def file_of(work: Script) -> Path:
    """The file that a script, or a module of the folder, is in."""
    file = Path(work.folder, work.target)
    if work.as_module:
        stem = Path(work.folder, *work.target.split("."))
        file = stem / "__main__.py" if stem.is_dir() else stem.with_suffix(".py")
    if not file.is_file():
        raise LaunchError(f"there is no {'module' if work.as_module else 'script'} {work.target} in this folder")
    return file


def decoded(raw: bytes, file: Path) -> tuple[str, str]:
    """The text of a script, its line ends untouched, and its encoding as Python finds it."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        return raw.decode(encoding), encoding
    except (SyntaxError, UnicodeDecodeError) as error:
        raise LaunchError(f"cannot read {file.name} as Python: {error}") from None


def version_of(work: Script) -> str:
    """The version of a script: sixteen digits that change with its text; empty where there is no such file."""
    try:
        return _digest(file_of(work).read_bytes())
    except (LaunchError, OSError):
        return ""


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:16]
