"""The page of a blind comparison and what its answers say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sedtalker.errors import InputError
from tests.scripts.test_results_pages import load

PREFERENCE = load("make_preference_test")
SCRIPT = Path(__file__).parents[2] / "scripts/make_preference_test.py"


def answers(path: Path, chosen: list[str]) -> Path:
    lines = ["clip,left,chosen", *(f"c{i},a,{choice}" for i, choice in enumerate(chosen))]
    path.write_text("\n".join(lines) + "\n")
    return path


def videos(root: Path) -> tuple[Path, Path]:
    for folder, names in (("before", "x y only"), ("after", "x y other")):
        (root / folder).mkdir()
        for name in names.split():
            (root / folder / f"{name}.mp4").write_bytes(f"{folder} {name}".encode())
    return root / "before", root / "after"


def test_the_page_holds_every_pair_and_asks_nothing_of_the_network(tmp_path: Path) -> None:
    before, after = videos(tmp_path)
    assert PREFERENCE.make(before, after, tmp_path / "t.html", "Which </script>?") == 2
    page = (tmp_path / "t.html").read_text()
    start = page.index("const test = ") + len("const test = ")
    held = json.loads(page[start : page.index(";\nconst stage")].replace("<\\/", "</"))
    assert [pair["name"] for pair in held["pairs"]] == ["x", "y"]
    assert all(pair["a"] != pair["b"] and pair["a"].startswith("data:video/mp4;base64,") for pair in held["pairs"])
    assert page.count("</script>") == 1
    assert "http" not in page.replace("https://", "http").split("<body", 1)[0].replace("data:", "")


def test_who_won_is_a_binomial_test(tmp_path: Path) -> None:
    one = answers(tmp_path / "one.csv", ["b"] * 6 + ["tie"] * 2)
    two = answers(tmp_path / "two.csv", ["b"] * 4)
    found = PREFERENCE.score([one, two])
    assert (found["a"], found["b"], found["ties"]) == (0, 10, 2)
    assert found["p"] == pytest.approx(2 / 2**10, abs=1e-4)
    even = PREFERENCE.score([answers(tmp_path / "even.csv", ["a", "b"] * 5)])
    assert even["share_b"] == 0.5
    assert even["p"] == 1.0
    assert even["low"] < 0.3 < 0.7 < even["high"]
    assert PREFERENCE.score([answers(tmp_path / "ties.csv", ["tie"])]) == {"a": 0, "b": 0, "ties": 1}


@pytest.mark.parametrize("text", ["", "clip,left,chosen\n", "x,y\n1,2\n", "clip,left,chosen\nc,a,c\n"])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "no.csv").write_text(text)
    with pytest.raises(InputError, match="no answers"):
        PREFERENCE.score([tmp_path / "no.csv"])


def test_bad_input_of_the_script_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    arguments = [sys.executable, str(SCRIPT), "make", str(tmp_path / "empty"), str(tmp_path / "empty"), "-o", "t.html"]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no videos" in done.stderr
    assert not (tmp_path / "t.html").exists()
