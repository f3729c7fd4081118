"""Every script of `benchmarks/` runs, small; its numbers at real sizes are in docs/performance.md."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
#: Sizes of layers that are no benchmark, on one thread.
TINY = ["--size=tiny", "--layers=1", "--tokens", "60", "--repeats=1", "--threads=1"]
SMALL = {
    "ablation.py": ["--samples=6", "--sets=2", "--repeats=1"],
    "capture.py": [*TINY, "--straightforward"],
    "capture_sites.py": [*TINY, "--batch=2"],
    "gradients.py": ["--samples=4", "--batch=4", "--repeats=1"],
    "kept_memory.py": ["--samples=2", "--sets=1", "--repeats=1"],
    "plan.py": ["--selections=1"],
    "selection.py": ["--layers=2", "--neurons=64", "--bins=8", "--repeats=1"],
    "trace.py": TINY,
}
#: How many lines each prints, run so; with plug-ins of one's own, more.
LINES = {
    "ablation.py": 11,
    "capture.py": 4,
    "capture_sites.py": 5,
    "gradients.py": 6,
    "kept_memory.py": 4,
    "plan.py": 2,
    "selection.py": 19,
    "trace.py": 2,
}
#: What others share.
PARTS = {"layers.py"}


def test_all_are_tried() -> None:
    assert {path.name for path in BENCHMARKS.glob("*.py")} == {*SMALL, *PARTS}
    assert set(LINES) == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_runs(name: str) -> None:
    done = subprocess.run([sys.executable, BENCHMARKS / name, *SMALL[name]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= LINES[name], done.stdout
