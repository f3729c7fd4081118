"""The report in a real browser: no text of a dataset, a config or a figure becomes part of the page.

`make test-browser`. Not part of plain `pytest`: where there is no Chromium it is installed, by root and apt.
"""

import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lode.stages import report
from tests.report_run import MADE_BY, make_config
from tests.tables import HOSTILE

pytestmark = pytest.mark.browser
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser; installed where it is not, or refused in words where that is not possible."""
    if not any(map(shutil.which, NAMES)):
        if os.geteuid() or not shutil.which("apt-get"):
            raise AssertionError("no Chromium on this machine, and only root can install it (apt-get install chromium)")
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], check=True)
    return next(found for name in NAMES if (found := shutil.which(name)))


def browse(chromium: str, page: Path, *options: str) -> str:
    """What the browser prints; it has a profile of its own, and ends when the page has come to rest."""
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=5000",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, text=True, capture_output=True, check=True, timeout=120).stdout


def titled(dom: str) -> str:
    """The title of a page, as a reader sees it."""
    found = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)
    assert found, dom[:500]
    return unescape(found[1])


def test_text_of_others_stays_text(chromium: str, tmp_path: Path) -> None:
    cfg = make_config(tmp_path)
    report.run(cfg, MADE_BY)
    dom = browse(chromium, Path(cfg.io.output), "--dump-dom")
    assert HOSTILE in titled(dom)
    assert "<script" not in dom
    assert "onerror" not in re.sub(r"&lt;.*?&gt;", "", dom)


def test_the_same_text_unescaped_takes_the_page(chromium: str, tmp_path: Path) -> None:
    """What the test above looks for does happen."""
    page = tmp_path / "bad.html"
    page.write_text(f"<!doctype html><title>mine</title><p>{HOSTILE}</p>")
    assert titled(browse(chromium, page, "--dump-dom")) == "taken"


def test_the_page_is_drawn(chromium: str, tmp_path: Path) -> None:
    """A screenshot shows text and figures: not one flat colour, and drawn to the page's end."""
    cfg = make_config(tmp_path)
    report.run(cfg, MADE_BY)
    browse(chromium, Path(cfg.io.output), "--window-size=1200,3000", f"--screenshot={tmp_path / 'page.png'}")
    with Image.open(tmp_path / "page.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.shape == (3000, 1200)
    inked = [part.std() > 5 for part in np.array_split(pixels, 3)]
    assert all(inked), inked
