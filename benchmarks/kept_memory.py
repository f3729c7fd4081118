"""What it saves to keep memory between steps, as `workflow/with_env.sh` tells glibc to (Linux only).

    python benchmarks/kept_memory.py [--samples 80] [--sets 25] [--repeats 3]

The same work, `benchmarks/ablation.py`, in processes of its own, by turns without and with the two variables: seconds
of the user and of the system, page faults, and the most memory, each the median over repeats, and the ratio.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEASURES = {"user": "s", "system": "s", "faults": "thousand", "most memory": "MiB"}


def settings() -> dict[str, str]:
    """The variables that `workflow/with_env.sh` sets, with their values."""
    text = (ROOT / "workflow" / "with_env.sh").read_text()
    return dict(re.findall(r"(MALLOC_\w+)=\$\{\w+:-(\d+)\}", text))


def measure(command: list[str], kept: bool) -> dict[str, float]:
    """What one process takes, in the units of `MEASURES`."""
    plain = {key: value for key, value in os.environ.items() if key not in settings()}
    process = subprocess.Popen(
        command, env={**plain, **(settings() if kept else {})}, stdout=subprocess.DEVNULL, cwd=ROOT
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"error: {' '.join(command)} ended with {process.returncode}")
    values = (usage.ru_utime, usage.ru_stime, usage.ru_minflt / 1000, usage.ru_maxrss / 1024)
    return dict(zip(MEASURES, values, strict=True))


def main() -> None:
    """Print a line a measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=80)
    parser.add_argument("--sets", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    script = ROOT / "benchmarks" / "ablation.py"
    command = [sys.executable, str(script), f"--samples={args.samples}", f"--sets={args.sets}", "--repeats=1"]
    found = {kept: [] for kept in (False, True)}
    for _ in range(args.repeats):
        for kept, runs in found.items():
            runs.append(measure(command, kept))
    for name, unit in MEASURES.items():
        plain, kept = (statistics.median(run[name] for run in runs) for runs in found.values())
        print(f"{name:>12}  given back {plain:9.1f} {unit:8}  kept {kept:9.1f} {unit:8}  ratio {kept / plain:.2f}")


if __name__ == "__main__":
    main()
