"""Pages of ``docs/`` whose figures a script measures, keeps as JSON and writes between marks of the page."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sedtalker.cli.console import ShownProgress
from sedtalker.progress import Hook
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.evaluation.measures import Measure


def asked_for(measure: Measure) -> str:
    """``≥ 0.9`` or ``≤ 0.05``; empty where nothing is asked."""
    if measure.asked is None:
        return ""
    return f"{'≥' if measure.better == 'higher' else '≤'} {measure.asked:g}"


def between_marks(page: str, name: str, text: str) -> str:
    """A page with ``text`` between the marks ``<!-- name: begin -->`` and ``<!-- name: end -->``."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    start, stop = page.index(begin) + len(begin), page.index(end)
    return f"{page[:start]}\n{text.strip()}\n\n{page[stop:]}"


def write_between_marks(path: Path, name: str, text: str) -> None:
    """Put ``text`` between the marks of a page (see ``between_marks``)."""
    path.write_text(between_marks(path.read_text(encoding="utf-8"), name, text), encoding="utf-8")


def measured(words: str | None, store: Path, measure: Callable[[Path, Hook], dict[str, Any]]) -> dict[str, Any]:
    """The figures in ``store``, measured first unless the command line has ``--page``.

    Args:
        words: what the command line's help says.
        store: JSON file of the figures.
        measure: makes them from the folder of the training data, on one core.
    """
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the training data")
    parser.add_argument("--page", action="store_true", help="only write the page")
    arguments = parser.parse_args()
    if not arguments.page:
        torch.set_num_threads(1)
        with ShownProgress() as shown:
            found = measure(find_data(arguments.data), shown.hook)
        store.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    figures: dict[str, Any] = json.loads(store.read_text(encoding="utf-8"))
    return figures
