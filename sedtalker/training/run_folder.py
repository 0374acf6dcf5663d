"""What a run leaves in its folder: checkpoints, a log, TensorBoard events, the exported weights.

``last.ckpt`` and ``best.ckpt`` appear whole or not at all, so a run may be killed at any moment.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

LAST, BEST, LOG, CONFIG = "last.ckpt", "best.ckpt", "log.jsonl", "config.json"


class RunLog:
    """Losses and held-out figures by step: ``log.jsonl`` and TensorBoard."""

    def __init__(self, folder: Path, step: int):
        """Lines and events after ``step``, where the run goes on, are of a run that was killed: they are dropped."""
        from torch.utils.tensorboard import SummaryWriter

        self.path = folder / LOG
        kept = [row for row in read_log(folder) if row["step"] <= step]
        self.path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        self.writer = SummaryWriter(str(folder), purge_step=step + 1)

    def add(self, kind: str, step: int, values: dict[str, float]) -> None:
        """``kind`` is ``loss`` or ``valid``; ``step`` counts the steps that were made."""
        for name, value in values.items():
            self.writer.add_scalar(f"{kind}/{name}", value, step)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")

    def close(self) -> None:
        """Flush and close."""
        self.writer.close()


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's log; a line that a kill cut short is left out."""
    path = folder / LOG
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def save_whole(value: Any, path: Path) -> None:
    """``torch.save`` that never leaves half a file."""
    temporary = path.with_name(f".{path.name}")
    torch.save(value, temporary)
    temporary.replace(path)
