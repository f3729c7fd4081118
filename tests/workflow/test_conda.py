"""The environment that Snakemake has conda make from environment.yml holds Lode too, with a stand-in for conda.

The stand-in makes an empty environment that sees the packages of this one, without the project's own.
"""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.project_tree import environment

CONDA = """\
#!/usr/bin/env python3
import subprocess, sys
from pathlib import Path
words = sys.argv[1:]
if words == ["--version"]:
    print("conda 99.0.0")
elif words == ["info", "--json"]:
    print('{{"conda_prefix": "{prefix}", "platform": "linux-64"}}')
elif words[0] == "config":
    print('{{"get": {{"channel_priority": "strict"}}}}')
elif words[:2] == ["env", "create"]:
    made = Path(words[words.index("--prefix") + 1])
    subprocess.run(["{python}", "-m", "venv", "--without-pip", made], check=True)
    (packages,) = made.glob("lib/*/site-packages")
    (packages / "seen.pth").write_text("{packages}")
"""


def stand_in(folder: Path) -> Path:
    """A folder with `conda`, and `activate` as Snakemake calls it."""
    (folder / "bin").mkdir(parents=True)
    text = CONDA.format(prefix=folder, python=sys.executable, packages=sysconfig.get_path("purelib"))
    (folder / "bin/conda").write_text(text)
    (folder / "bin/conda").chmod(0o755)
    (folder / "bin/activate").write_text('export PATH="$1/bin:$PATH"\n')
    return folder / "bin"


def test_conda_environments_hold_lode(trees: dict[str, Path], tmp_path: Path) -> None:
    tree = trees["undisturbed"]
    given = environment(tree)
    given["PATH"] = f"{stand_in(tmp_path / 'conda')}{os.pathsep}{given['PATH']}"
    command = ["snakemake", "--profile", "workflow/profiles/local", "--software-deployment-method", "conda"]
    command += ["--conda-create-envs-only", "--conda-prefix", str(tmp_path / "made"), "--config", "experiment=rerun"]
    done = subprocess.run(command, cwd=tree, env=given, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (python,) = (tmp_path / "made").glob("*/bin/python")
    program = "import json, lode, lode.study; print(json.dumps([lode.__file__, str(lode.study.STUDY.config_dir)]))"
    alone = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    found = subprocess.run([python, "-c", program], cwd=tmp_path, env=alone, text=True, capture_output=True, check=True)
    assert json.loads(found.stdout) == [str(tree / "lode" / "__init__.py"), str(tree / "config")]
