"""How heavy the web page is, and how long it takes in a real Chromium: the figures of docs/web.md.

    python -m scripts.measure_web                  # of build/web, which scripts/build_web.py makes

The page is served from this machine, so that downloads take no time; WebGL is drawn in software here, which a laptop
need not do. Times are the least of three: what else the machine does only adds to them.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from scripts.build_web import weights
from scripts.measured_page import write_between_marks
from scripts.static_server import served
from scripts.studio_page import ROOT, chromium

RUNS = 3
LONGEST_WAIT = 300.0
"""Seconds."""
SPEAKS = 8.0
"""Seconds that the microphone is open."""


def until(page: Any, condition: str) -> float:
    """Wait until an expression of JavaScript is true; gives the page's clock then, in seconds."""
    ends = time.monotonic() + LONGEST_WAIT
    while not page.evaluate(f"Boolean({condition})"):
        if time.monotonic() > ends:
            raise SystemExit(f"not {condition}: {page.inner_text('#problem')}")
        time.sleep(0.02)
    return float(page.evaluate("performance.now()")) / 1000.0


def run(browser: Any, url: str) -> dict[str, float]:
    """Seconds of one visit: a sample, then the microphone."""
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    page = context.new_page()
    page.goto(url)
    until(page, "page.faced")
    found = {"face": float(page.evaluate("page.faced")) / 1000.0}
    found["models"] = until(page, "page.ready")
    pressed = float(page.evaluate("performance.now()")) / 1000.0
    page.click("#sample")
    found["sample"] = until(page, "page.animation") - pressed
    length = float(page.evaluate("page.animation.weights.length / page.animation.names.length / page.animation.fps"))
    found["speed"] = length / found["sample"]
    page.click("#play")
    page.click("#speak")
    until(page, f"page.speaking && page.speaking.seconds > {SPEAKS} && page.speaking.delay > 0")
    found["delay"] = float(page.evaluate("page.speaking.delay"))
    context.close()
    return found


def measure(site: Path) -> dict[str, float]:
    """The least of each over several visits; the greatest speed."""
    speech = ROOT / "data" / "samples" / "four_moods.wav"
    with served(site) as url, sync_playwright() as playwright, chromium(playwright, microphone=speech) as browser:
        runs = [run(browser, url) for _ in range(RUNS)]
    return {name: (max if name == "speed" else min)(each[name] for each in runs) for name in runs[0]}


def tables(site: Path, times: dict[str, float]) -> str:
    """Both tables of the page of the documentation."""
    rows = list(weights(site))
    rows.append(("**in all**", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    heavy = [f"| {name} | {raw / 1e6:.2f} MB | {small / 1e6:.2f} MB |" for name, raw, small in rows]
    load = os.getloadavg()[0]
    return "\n".join(
        [
            "| Part | As it lies there | Gzipped by the server |",
            "|---|---|---|",
            *heavy,
            "",
            f"In Chromium with one thread, on two cores with a load of {load:.1f}, least of {RUNS} visits:",
            f"the face is there after {times['face']:.1f} s, the networks are ready after {times['models']:.1f} s,",
            f"and the sample of 18 s is animated in {times['sample']:.1f} s ({times['speed']:.0f} × real time).",
            f"A frame of the microphone is finished when {times['delay']:.2f} s more have been said.",
        ]
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, default=ROOT / "build" / "web")
    site = parser.parse_args().site
    text = tables(site, measure(site))
    print(text)
    write_between_marks(ROOT / "docs" / "web.md", "web", text)


if __name__ == "__main__":
    main()
