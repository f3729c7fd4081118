"""The report in a real browser: no text of others becomes part of the page, and nothing of the page is cut off.

`make test-browser`. Not part of plain `pytest`: where there is no Chromium it is installed, by root and apt.
"""

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig
from PIL import Image

from lode.stages import build_report
from tests.report_run import MADE_BY, make_config
from tests.tables import HOSTILE

pytestmark = pytest.mark.browser
FRAME = Path(__file__).parent / "frame.html"
#: A page of A4 between margins of 12 mm, at 96 pixels an inch.
A4 = round((210 - 24) / 25.4 * 96)
FIGURES = {"selectivity_matrix": ["comparisons", "verdicts"], "ablation_scores": ["scores", "effects"]}
LONG = ("toy_textvqa", "toy_caption_with_a_rather_long_name", "toy_mmlu", "digits_vqa", "toy_msvd_qa")
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


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> DictConfig:
    """The config of a report such as real ones: five benchmarks, six sets, two selections, 40 controls, long names."""
    modalities = ("text", "special", "image", "video", "audio")
    folder = tmp_path_factory.mktemp("real")
    selections = ("miner", "miner_10_percent")
    cfg = make_config(folder, LONG, FIGURES, 40, selections=selections, modalities=modalities, unmeasurable=LONG[-1:])
    build_report.run(cfg, MADE_BY)
    return cfg


def measure(chromium: str, page: Path, width: int, *further: str) -> dict[str, Any]:
    """What of a page cannot be seen in a frame of a width (`frame.html`)."""
    frame = page.parent / "frame.html"
    shutil.copyfile(FRAME, frame)
    query = "&".join((f"page={page.name}", f"width={width}", *further))
    options = ("--allow-file-access-from-files", "--window-size=1600,2000", "--dump-dom")
    found: dict[str, Any] = json.loads(titled(browse(chromium, frame, *options, query=query)))
    return found


def browse(chromium: str, page: Path, *options: str, query: str = "") -> str:
    """What the browser prints; it has a profile of its own, and ends when the page has come to rest."""
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=5000",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={page.parent / 'profile'}", *options, f"{page.as_uri()}?{query}",
    ]  # fmt: skip
    return subprocess.run(command, text=True, capture_output=True, check=True, timeout=120).stdout


def titled(dom: str) -> str:
    """The title of a page, as a reader sees it."""
    found = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)
    assert found, dom[:500]
    return unescape(found[1])


def test_text_of_others_stays_text(chromium: str, tmp_path: Path) -> None:
    cfg = make_config(tmp_path)
    build_report.run(cfg, MADE_BY)
    dom = browse(chromium, Path(cfg.io.report), "--dump-dom")
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
    build_report.run(cfg, MADE_BY)
    browse(chromium, Path(cfg.io.report), "--window-size=1200,3000", f"--screenshot={tmp_path / 'page.png'}")
    with Image.open(tmp_path / "page.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.shape == (3000, 1200)
    inked = [part.std() > 5 for part in np.array_split(pixels, 3)]
    assert all(inked), inked


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_cut_off_on_a_screen(chromium: str, real: DictConfig, width: int) -> None:
    found = measure(chromium, Path(real.io.report), width)
    assert (found["width"], found["document"]) == (width, width), "the page itself never moves sideways"
    assert found["tables"] > 10
    assert not found["lost"], found["lost"]
    assert found["reached"] == found["last"], "the last column of every table can be moved into view"
    assert found["shades"] == found["scrolls"], "a box that moves has a shade at its edge"
    assert found["scrolls"] == 0 if width == 1280 else found["scrolls"] > 3, found["scrolls"]


def test_nothing_is_cut_off_in_print(chromium: str, real: DictConfig) -> None:
    found = measure(chromium, Path(real.io.report), A4, "print=1")
    assert not found["lost"], found["lost"]
    assert found["document"] == found["width"] == A4
    assert found["scrolls"] == 0, "paper does not move"


def test_the_measure_sees_what_is_cut_off(chromium: str, tmp_path: Path) -> None:
    """A wide table in the open, one in a box that hides it, one in a box that moves."""
    cells = "<td>quite_some_text_in_a_cell</td>" * 9
    page = tmp_path / "wide.html"
    for style, lost in (("", True), ("overflow-x: hidden", True), ("overflow-x: auto", False)):
        page.write_text(
            f"<!doctype html><body style='margin: 0'><div style='{style}'><table><tr>{cells}</tr></table></div>"
        )
        found = measure(chromium, page, 400)
        assert bool(found["lost"]) == lost, (style, found)
        assert found["scrolls"] == (0 if lost else 1)
        assert found["shades"] == 0


def test_it_prints_on_a4(chromium: str, real: DictConfig, tmp_path: Path) -> None:
    """Chromium prints it: a PDF of A4 pages, more than one and fewer than a hundred."""
    pdf = tmp_path / "page.pdf"
    browse(chromium, Path(real.io.report), "--no-pdf-header-footer", f"--print-to-pdf={pdf}")
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf.read_bytes())
    assert 1 < len(boxes) < 100
    assert {(round(float(width) / 72 * 25.4), round(float(height) / 72 * 25.4)) for width, height in boxes} == {
        (210, 297)
    }
