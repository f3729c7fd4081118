"""docs/survey.md anew, from lode/page/survey.yaml: `python -m workflow.survey`."""

from lode.engine.paths import ROOT
from lode.page.survey import page

PAGE = ROOT / "docs" / "survey.md"

if __name__ == "__main__":
    PAGE.write_text(page())
    print(PAGE.relative_to(ROOT))
