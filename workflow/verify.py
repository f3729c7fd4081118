"""Compare every result of an experiment with the plan: `python -m workflow.verify default`, or `make verify`.

Needs neither torch nor Snakemake; what is compared is said in `lode/engine/verify.py`.
"""

import argparse
import re
import sys

from lode.engine.errors import UserError
from lode.engine.paths import ROOT
from lode.engine.tables import read_table
from lode.engine.verify import verify
from lode.figure import Looks
from lode.page.report.budget import shortfalls
from lode.page.report.opening import conclusion
from lode.study import STUDY
from lode.table.verdicts import VERDICTS
from workflow.check import open_experiment
from workflow.study import Experiment


def tell(folder: str, looks: Looks) -> None:
    """Say where the report of a finished run is, and how it begins: a sentence a model."""
    print(f"Open {folder}/{STUDY.pattern('report')}")
    verdicts = ROOT / folder / STUDY.pattern("verdicts")
    if verdicts.is_file():
        rows = [row for row in read_table(verdicts, VERDICTS).to_pylist() if row["outcome"] == "content"]
        for model in dict.fromkeys(row["model"] for row in rows):
            print(f"{model}: {conclusion(rows, model, looks)}")


def tell_budget(folder: str) -> None:
    """Say which datasets have fewer tokens than `capture.token_budget` asks for: a line a model, dataset and site."""
    tables = (ROOT / folder).glob(re.sub(r"{\w+}", "*", STUDY.pattern("statistics")))
    for shortfall in shortfalls(sorted(map(str, tables))):
        print(f"note: {shortfall}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m workflow.verify", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("experiment", nargs="?", default="default")
    parser.add_argument("overrides", nargs="*", help="Hydra overrides that the experiment was run with")
    parser.add_argument("--where", action="store_true", help="say only where the report is")
    arguments = parser.parse_args()
    asked = {"experiment": arguments.experiment, "overrides": arguments.overrides}
    if arguments.where:
        run = Experiment(asked)
        tell(run.root, Looks(run.cfg.grouping))
        if run.cfg.capture.token_budget is not None:
            tell_budget(run.root)
        return
    run = open_experiment(asked)
    try:
        sys.exit(verify(run.plan))
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
