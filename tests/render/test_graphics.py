from __future__ import annotations

import json
from pathlib import Path

import pytest

from sedtalker.render import renderer as graphics

CARD, SOFTWARE = "NVIDIA H200/PCIe/SSE2", "llvmpipe (LLVM 15.0.7, 256 bits)"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Every time that the driver is asked; it answers with the first entry."""
    answers: list[str] = [CARD]

    def ask() -> str:
        answers.append("asked")
        return answers[0]

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(graphics, "ask_driver", ask)
    monkeypatch.setattr(graphics, "_cards", lambda: ["nvidia0"])
    monkeypatch.setattr(graphics, "find_spec", lambda name: object())
    return answers


def test_a_card_is_asked_once_and_remembered(asked: list[str], tmp_path: Path) -> None:
    assert [graphics.fastest_backend() for _ in range(3)] == ["pyrender"] * 3
    assert asked.count("asked") == 1
    assert json.loads((tmp_path / "sedtalker/graphics.json").read_text())["driver"] == CARD


def test_another_card_is_asked_again(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    graphics.fastest_backend()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    graphics.fastest_backend()
    assert asked.count("asked") == 2


@pytest.mark.parametrize("driver", [SOFTWARE, "softpipe", "Software Rasterizer", "SwiftShader Device", ""])
def test_drawing_on_the_cpu_is_left_to_numba(asked: list[str], driver: str) -> None:
    asked[0] = driver
    assert graphics.fastest_backend() == "numba"


@pytest.mark.parametrize("held", ["", "{}", "[]", '{"here": 1, "driver": 2}', '{"driver": "x"}'])
def test_a_damaged_memory_is_written_again(asked: list[str], tmp_path: Path, held: str) -> None:
    (tmp_path / "sedtalker").mkdir()
    (tmp_path / "sedtalker/graphics.json").write_text(held)
    assert graphics.fastest_backend() == "pyrender"
    assert json.loads((tmp_path / "sedtalker/graphics.json").read_text())["driver"] == CARD


def test_without_a_card_or_the_extra_nothing_is_asked(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics, "_cards", list)
    assert graphics.fastest_backend() == "numba"
    monkeypatch.setattr(graphics, "_cards", lambda: ["nvidia0"])
    monkeypatch.setattr(graphics, "find_spec", lambda name: None)
    assert graphics.fastest_backend() == "numba"
    assert "asked" not in asked
