"""`gradmedic run --with`: a script trains under a prescription without knowing it."""

import subprocess
import sys
from pathlib import Path

import pytest

from gradmedic.recording.reader import load

SCRIPT = """
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
model = nn.Sequential(*[layer for _ in range(6) for layer in (nn.Linear(16, 16), nn.ReLU())], nn.Linear(16, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(128, 16)
y = (x[:, 0] > 0).long()
for step in range(60):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
print(float(torch.rand(())), optimizer.param_groups[0]["lr"], loss.item())
"""


def run(folder: Path, prescription: str | None = None, *flags: str) -> "subprocess.CompletedProcess[str]":
    (folder / "train.py").write_text(SCRIPT)
    if prescription is not None:
        (folder / "p.toml").write_text(prescription)
        flags = ("--with", "p.toml", *flags)
    command = [sys.executable, "-m", "gradmedic", "run", "-o", "report.json", *flags, "train.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def told(done: "subprocess.CompletedProcess[str]") -> tuple[float, float, float]:
    draw, rate, loss = map(float, done.stdout.split())
    return draw, rate, loss


@pytest.fixture(scope="module")
def untreated(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float, float]:
    return told(run(tmp_path_factory.mktemp("untreated")))


def test_trains_better_on_the_same_data(tmp_path: Path, untreated: tuple[float, float, float]) -> None:
    text = '[[remedy]]\nname = "init-he"\n\n[[remedy]]\nname = "learning-rate"\nfactor = 2\n'
    draw, rate, loss = told(run(tmp_path, text))
    assert loss < untreated[2] / 2
    assert (draw, rate) == untreated[:2], "the random state, and the rate that the script sees, are its own"


def test_a_remedy_that_cannot_be_given_is_told_and_the_others_are_given(
    tmp_path: Path, untreated: tuple[float, float, float]
) -> None:
    text = '[[remedy]]\nname = "init-he"\n\n[[remedy]]\nname = "learning-rate"\nfaktor = 2\n'
    done = run(tmp_path, text)
    assert (
        "could not give learning-rate: p.toml: learning-rate has no dose 'faktor'; did you mean 'factor'?"
        in done.stderr
    )
    assert told(done)[2] < untreated[2]


def test_a_prescription_that_cannot_be_read_ends_it_before_it_starts(tmp_path: Path) -> None:
    done = run(tmp_path, "[[remedy]")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "p.toml is not valid TOML" in done.stderr


def test_the_recording_says_what_was_given_and_what_was_refused(tmp_path: Path) -> None:
    text = '[[remedy]]\nname = "clip-grad-norm"\nmax_norm = 1.0\n\n[[remedy]]\nname = "init-he"\nweights = ["nobody"]\n'
    run(tmp_path, text, "--record", "kept")
    kept = load(tmp_path / "kept")
    assert [event.data["remedy"] for event in kept.events_of("remedy")] == ["clip-grad-norm", "init-he"]
    assert [event.data["remedy"] for event in kept.events_of("refused")] == ["init-he"]


WRAPPERS = Path(__file__).parent / "scripts" / "wrappers.py"
WRAPPED = ("relu", "cross-entropy", "tensor-backward")


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapper_of_the_script_runs_as_often_as_under_python_where_a_remedy_looks_at_calls(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "p.toml").write_text('[[remedy]]\nname = "match-shapes"\n')
    words = [str(WRAPPERS), name, "full"]
    ran = [
        subprocess.run([sys.executable, *start, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        for start in ((), ("-m", "gradmedic", "run", "--quiet", "--with", "p.toml"))
    ]
    assert ran[1].stdout == ran[0].stdout != ""


LOADER = """
import torch, torch.nn as nn, torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

class Points(Dataset):
    def __len__(self): return 64
    def __getitem__(self, i):
        x = torch.sigmoid(torch.full((16,), float(i)))  # 1.0 for nearly all: a ReLU would give i
        return x, i % 2

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(16, 16), nn.Linear(16, 2)
    def forward(self, x):
        assert float(x.max()) <= 1.0
        return self.last(torch.sigmoid(self.first(x)))

if __name__ == "__main__":
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in DataLoader(Points(), batch_size=8, num_workers=1):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    print("done")
"""


def test_workers_that_load_data_are_left_alone_and_the_probe_sees_what_the_remedy_made(tmp_path: Path) -> None:
    (tmp_path / "loader.py").write_text(LOADER)
    (tmp_path / "p.toml").write_text('[[remedy]]\nname = "swap-activation"\nsites = ["*/sigmoid"]\n')
    seen = {}
    for name, flags in (("plain", []), ("treated", ["--with", "p.toml"])):
        command = [sys.executable, "-m", "gradmedic", "run", "--record", name, *flags, "loader.py"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout == "done\n", done.stderr
        kept = load(tmp_path / name)
        seen[name] = [(site.name, site.op, site.line) for site in kept.in_order(0)]
    assert [(name, line) for name, _, line in seen["treated"] if "." not in name] == [
        (name, line) for name, _, line in seen["plain"] if "." not in name
    ]
    assert [op for _, op, _ in seen["plain"]][1] == "sigmoid"
    assert [op for _, op, _ in seen["treated"]][1] == "relu"
    assert seen["plain"][1][2] == seen["treated"][1][2]
