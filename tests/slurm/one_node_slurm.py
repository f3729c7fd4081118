"""A real Slurm of one node on this machine: installed by apt, started and stopped by process id.

Needs root and apt, and writes /etc/slurm/slurm.conf; a machine that has one already is left alone.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
FOLDER = Path("/etc/slurm")
NUM_GPUS = 2

CONF = """\
ClusterName=local
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={place}/munge/socket
SlurmctldPort=46817
SlurmdPort=46818
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MinJobAge=36000
KillWait=5
GresTypes=gpu
NodeName=localhost NodeHostName=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus}
PartitionName=main Nodes=localhost Default=YES MaxTime=600 State=UP
"""


def said(*command: str) -> str:
    """What a command prints; it must not fail."""
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def install() -> None:
    """Install Slurm where it is not; fail in words where that is not possible."""
    if all(map(shutil.which, ("slurmctld", "slurmd", "munged", "sbatch"))):
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise AssertionError(
            "no Slurm on this machine, and it can be installed by root with apt only: run these tests there "
            f"(apt-get install {' '.join(PACKAGES)})"
        )
    said("apt-get", "update", "-qq")
    said("apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES)


def configure(place: Path) -> None:
    """Write the configuration; the GPUs are plain files."""
    ours = "# tests/slurm\n"
    conf = FOLDER / "slurm.conf"
    if conf.is_file() and not conf.read_text().startswith(ours):
        raise AssertionError(
            f"{conf} is there already: these tests bring up a Slurm of their own, on a machine without"
        )
    for name in ("state", "spool", "munge"):
        (place / name).mkdir()
    for folder in (place, place / "munge"):
        folder.chmod(0o711)
    key = place / "munge" / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    memory = re.search(r"^MemTotal: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    assert memory
    facts = {"place": place, "cpus": os.cpu_count(), "memory": int(memory[1]) // 1024 - 500, "gpus": NUM_GPUS}
    FOLDER.mkdir(exist_ok=True)
    conf.write_text(ours + CONF.format(**facts))
    gpus = [place / f"gpu{i}" for i in range(NUM_GPUS)]
    for gpu in gpus:
        gpu.touch()
    (FOLDER / "gres.conf").write_text("".join(f"Name=gpu File={gpu}\n" for gpu in gpus))


def start(place: Path) -> None:
    """Start the daemons and wait until the node is idle."""
    munge = place / "munge"
    files = [f"--{name}={place}/munged.{name.split('-')[0]}" for name in ("pid-file", "log-file")]
    said(
        "munged",
        "--force",
        f"--key-file={munge}/munge.key",
        f"--socket={munge}/socket",
        f"--seed-file={munge}/seed",
        *files,
    )
    said("slurmctld")
    said("slurmd", "-N", "localhost")
    for _ in range(60):
        if "idle" in said("sinfo", "--noheader", "-o", "%T"):
            return
        time.sleep(1)
    raise AssertionError(f"the node is not idle after a minute: {(place / 'slurmd.log').read_text()[-2000:]}")


def stop(place: Path) -> None:
    """Stop the daemons that were started here, and take the configuration away."""
    for name in ("slurmd", "slurmctld", "munged"):
        file = place / f"{name}.pid"
        if file.is_file():
            os.kill(int(file.read_text()), 15)
    for name in ("slurm.conf", "gres.conf"):
        (FOLDER / name).unlink(missing_ok=True)


@contextmanager
def one_node(place: Path) -> Iterator[None]:
    """A running cluster."""
    install()
    configure(place)
    try:
        start(place)
        yield
    finally:
        said("scancel", "--user", "root")
        stop(place)


def jobs(states: Sequence[str] = ("all",)) -> list[dict[str, str]]:
    """Every job of the cluster: its id, state, restarts and what it runs (the rule and its wildcards)."""
    lines = said("squeue", "--noheader", "-t", ",".join(states), "-o", "%i|%T|%k").splitlines()
    return [dict(zip(("id", "state", "comment"), line.split("|", 2), strict=True)) for line in lines]


def restarts(job: str) -> int:
    """How often a job was requeued."""
    found = re.search(r"Restarts=(\d+)", said("scontrol", "show", "job", job))
    assert found
    return int(found[1])
