"""BENCHMARKS.md: what was measured, and its chart."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from PIL import Image, ImageDraw, ImageFont
from support.paths import ROOT

from bench.measure import Line

DOCUMENT = ROOT / "BENCHMARKS.md"
CHART = ROOT / "web" / "images" / "benchmarks.png"
LIBRARIES = ("pillow", "numpy", "torch", "av", "requests", "isal", "pybase64")
INTRODUCTION = """# Benchmarks

What this pack adds to the waiting, beside the plain way of doing the same: one `requests` call
after another, Pillow with its defaults, and `np.asarray(image).astype(np.float32) / 255.0`. Both
ways are measured in turns in the same run, so only the ratios mean something on another computer.
Measure them on yours, in under five minutes: `pytest -n0 -m bench tests/bench`. With
`--update-benchmarks` it writes this page anew.

![Each line in parts of its target](web/images/benchmarks.png)
"""


def table(lines: Sequence[Line]) -> str:
    rows = ["| What | Plain | Ours | Result | Target |", "| --- | --- | --- | --- | --- |"]
    for line in lines:
        sign = ">=" if line.is_floor else "<="
        missed = "" if line.is_met else " **missed**"
        limit = f" ({line.limit})" if line.limit and not line.is_met else ""
        result = f"{line.value:.3g} {line.unit}{missed}{limit}"
        target = f"{sign} {line.most:g} {line.unit}"
        rows.append(f"| {line.what} | {line.plain} | {line.ours} | {result} | {target} |")
    return "\n".join(rows)


def write(lines: Sequence[Line]) -> None:
    DOCUMENT.write_text("\n".join([INTRODUCTION, _machine(), "", table(lines), ""]), "utf-8")
    _chart(lines).save(CHART, optimize=True)


def _machine() -> str:
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"without {name}")
    system = f"{platform.system()} on {platform.machine()} with {os.cpu_count()} cores"
    python = f"Python {platform.python_version()}"
    load = f"other work beside it: a load of {os.getloadavg()[1]:.1f}"
    return f"{time.strftime('%Y-%m-%d')}; {system}; {python}; {', '.join(found)}; {load}."


def _chart(lines: Sequence[Line]) -> Image.Image:
    """A bar for each line, whose length is the part of its target that it takes."""
    row, label, full, widest = 22, 560, 300, 1.6  # pixels, and targets that have room
    picture = Image.new("RGB", (label + round(full * widest) + 20, row * len(lines) + 40), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for number, line in enumerate(lines):
        top = 10 + number * row
        colour = "#3b7d4f" if line.is_met else "#c2542d"
        end = label + round(full * min(widest, max(0.0, line.share)))
        draw.text((label - 8, top + row / 2), line.what, "#222", font, anchor="rm")
        draw.rectangle((label, top + 4, end, top + row - 4), fill=colour)
    foot = picture.height - 26
    draw.line((label + full, 8, label + full, foot), "#222")
    draw.text((label + full, foot + 4), "target", "#222", font, anchor="mt")
    return picture.quantize(16)
