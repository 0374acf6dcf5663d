"""What README, docs and model cards claim, held against the code: anchors, options, scripts, extras, figures, output.

``tests/test_readme.py`` checks that commands are understood and that files, options and modules exist. Here is the rest
of what can be checked over all pages at once, and the commands that cost next to nothing are run.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sedtalker.animation.performance import StreamSettings
from sedtalker.cli.main import app
from sedtalker.emotion.track import CATEGORIES
from tests.scripts.test_results_pages import load
from tests.test_readme import PAGES as DOCS
from tests.test_readme import blocks, command_of, commands, program

ROOT = Path(__file__).parents[1]
PAGES = [
    *DOCS,
    *(ROOT / name for name in ("CHANGELOG.md", "data/README.md")),
    *sorted(ROOT.glob("checkpoints/*/README.md")),
]
RUN = ("face list", "models list", "data list", "checkpoint inspect")
"""Commands that only print what is in the box."""


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


every_page = pytest.mark.parametrize("page", PAGES, ids=named)


# --- Links.


@cache
def anchors(page: Path) -> frozenset[str]:
    """The addresses of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#{1,6} (.+)$", re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S), re.MULTILINE)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings)
    return frozenset(re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading)) for heading in plain)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text_of(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if path.startswith("reference/"):
            continue  # made by make docs
        if not target.exists() or (anchor and anchor not in anchors(target.resolve())):
            broken.append(link)
    assert broken == []


# --- Options, scripts, targets, extras, variables and experiments that a page names.


@every_page
def test_options_belong_to_the_command_that_they_are_written_with(page: Path) -> None:
    for words in map(str.split, re.findall(r"`(sedtalker [a-z][^`]*)`", text_of(page))):
        options = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z][\w-]*(=.*)?", word)}
        if options:
            command, _ = command_of([word for word in words if not word.startswith("-")])
            known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
            assert options - known - {"--help"} == set(), shlex.join(words)


def scripts_named(page: Path) -> Iterator[tuple[Path, set[str]]]:
    """Scripts that are run on a page, and the options that they are given."""
    for line in re.findall(r"((?:scripts|examples|tests)/[\w/]+\.py(?: [^`\n#|]*)?)", text_of(page)):
        name, *words = line.split()
        yield ROOT / name, {word for word in words if re.match("--[a-z]", word)}


@every_page
def test_scripts_have_the_options_that_they_are_given(page: Path) -> None:
    for script, options in scripts_named(page):
        code = script.read_text(encoding="utf-8")
        beside = [other for other in (ROOT / "scripts").glob("*.py") if f"from {other.stem} import" in code]
        code += "".join(other.read_text(encoding="utf-8") for other in beside)
        assert {option for option in options if f'"{option}"' not in code} == set(), script.name


@every_page
def test_make_has_the_targets(page: Path) -> None:
    rules = set(re.findall(r"^([\w-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    asked = set(re.findall(r"`make ([a-z][\w-]*)[^`]*`", text_of(page)))
    for block in blocks(page, "sh", ""):
        asked |= set(re.findall(r"^make ([a-z][\w-]*)", block, re.MULTILINE))
    assert asked <= rules


@every_page
def test_extras_are_those_of_the_package(page: Path) -> None:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    asked = re.findall(r"(?:sedtalker|`\.)\[([\w,]+)\]|extra \[(\w+)\]", text_of(page))
    assert {name for pair in asked for names in pair for name in names.split(",") if name} <= set(
        project["optional-dependencies"]
    )


@cache
def sources() -> str:
    files = [
        *(ROOT / "sedtalker").rglob("*.py"),
        *(ROOT / "tests").rglob("*.py"),
        ROOT / "Makefile",
        ROOT / "Dockerfile",
    ]
    return "\n".join(path.read_text(encoding="utf-8") for path in files if path != Path(__file__))


@every_page
def test_environment_variables_are_read(page: Path) -> None:
    for name in set(re.findall(r"\bSEDTALKER_[A-Z_]+\b", text_of(page))):
        assert name in sources(), name


@every_page
def test_experiments_have_a_configuration(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # also of those that are no more
    for name in set(re.findall(r"\bexperiment=([a-z][\w/]*)", text_of(page))):
        assert (ROOT / "configs" / "experiment" / f"{name}.yaml").is_file(), name


# --- Figures.


def rows(page: str, columns: int) -> dict[str, list[str]]:
    """Cells after the key, of the table rows of a page that begin with a key in code."""
    found = re.findall(r"^\| `(\w+)` \|(.*)\|$", text_of(ROOT / "docs" / page), re.MULTILINE)
    return {key: cells for key, line in found if len(cells := [c.strip() for c in line.split("|")]) == columns}


def test_the_page_of_the_lips_has_the_figures_of_the_results() -> None:
    measured = json.loads(text_of(ROOT / "docs" / "results.json"))["decoder"]
    shown = {key: cells[0] for key, cells in rows("lips.md", 3).items()}
    assert len(shown) > 10
    assert shown == {key: f"{measured[key]:.3f}" for key in shown}


def test_the_usual_look_ahead_is_within_two_hundredths_of_the_whole_recording() -> None:
    table = text_of(ROOT / "docs" / "streaming.md").partition("60 test sentences of the tracked talker")[2]
    usual = StreamSettings()
    at_once = re.search(rf"\| {usual.look_ahead:.2f} s \| {usual.hop:.2f} s \|[^|]*\| ([\d.]+) \|", table)
    whole = re.search(r"\| all \|[ |]*\| ([\d.]+) \|", table)
    assert at_once is not None
    assert whole is not None
    assert 0.0 < float(whole[1]) - float(at_once[1]) <= 0.02


def test_the_table_of_the_renderer_is_what_its_script_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = load("measure_renderer")
    page = tmp_path / "video.md"
    page.write_text(text_of(ROOT / "docs" / "video.md"), encoding="utf-8")
    monkeypatch.setattr(script, "PAGE", page)
    script.write_table(json.loads(text_of(ROOT / "docs" / "video.json")))
    assert page.read_text(encoding="utf-8") == text_of(ROOT / "docs" / "video.md")


def test_the_page_of_the_studio_has_the_figures_that_were_measured() -> None:
    found, page = json.loads(text_of(ROOT / "docs" / "studio.json")), text_of(ROOT / "docs" / "studio.md")
    edits = [
        f"clip of {name}, median (p90) | {v['median_ms']} ms ({v['p90_ms']})"
        for name, v in found["edits"].items()
        if name != "load"
    ]
    speeds = [round(found["scrolling"][name]["frames_a_second"]) for name in ("scroll", "zoom out", "zoom in")]
    others = [
        f"10 minutes: scroll; zoom out; zoom in | {speeds[0]}; {speeds[1]}; {speeds[2]} frames/s",
        f"scroll while it plays | {found['scrolling']['scroll while it plays']['frames_a_second']:.0f} frames/s",
        f"memory of the page, 10 minutes | {found['scrolling']['memory']['page_mb']:.0f} MB",
        f"the wheel has grown by | {found['wheels']['grown_mb']:.1f} MB",
    ]
    assert len(edits) == 3
    assert [text for text in (*edits, *others) if text not in page] == []


def test_the_readme_compares_lips_as_they_were_measured() -> None:
    measured = json.loads(text_of(ROOT / "docs" / "rivals.json"))
    said = re.search(r"\*\*Lips, measured beside.*?\n\n", text_of(ROOT / "README.md"), re.DOTALL)
    assert said is not None
    for name in [name for name, row in measured.items() if "height_others" in row]:
        called = "at r" if name == "SEDTalker" else name.split(" ")[0] if name[-1].isdigit() else name
        assert f"{called} {measured[name]['height_others']:.2f}".replace(" 0.", " .") in said[0]
    assert f"learned from {measured['SEDTalker']['height']:.2f}".replace(" 0.", " .") in said[0]


def test_the_readme_says_how_often_the_diarizer_is_right() -> None:
    results = json.loads(text_of(ROOT / "docs" / "results.json"))
    measured = [results[part]["summary"]["zero_shot_uar"] for part in ("transfer", "transfer_whisper_base")]
    said = re.search(r"recall is (\.\d\d)\s[^.]*?\((\.\d\d) with", text_of(ROOT / "README.md"))
    assert said is not None
    assert list(map(float, said.groups())) == pytest.approx(measured, abs=0.005)


def test_the_page_of_the_diarizer_says_what_adaptation_gains() -> None:
    found = json.loads(text_of(ROOT / "docs" / "adaptation.json"))
    corpora = [name.removeprefix("clips_") for name in found if name.startswith("clips_")]
    best = max(found[f"adapt_gain_{corpus}"] for corpus in corpora)
    one = found["adapted_one_emotion"] - found["source_uar"]
    values = [found[f"adapt_gain{part}"] for part in ("", "_low", "_high", "_worst")]
    mean, low, high, least, most, alone = (f"{value:.2f}".replace("0.", ".") for value in (*values, best, one))
    page = text_of(ROOT / "docs" / "diarizer.md")
    assert (
        f"gains {mean} of recall on average (95 % interval {low} to {high}): from {most} on the best to {least}" in page
    )
    assert f"the mean gain is {alone} instead of {mean}" in page


def test_the_page_of_the_lips_names_the_targets_that_are_missed() -> None:
    rows = json.loads(text_of(ROOT / "docs" / "robustness.json"))["rows"]
    clean, noise = (
        next(r for r in rows if (r["kind"], r["strength"]) == k) for k in (("clean", ""), ("noise", "0 dB"))
    )
    figures = f"{noise['lip_r_wild']:.2f} ({clean['lip_r_wild']:.2f} without noise; tracked talker {noise['lip_r']:.2f}"
    unseen = json.loads(text_of(ROOT / "docs" / "results.json"))["decoder"]["lip_r_unseen"]
    page = text_of(ROOT / "docs" / "lips.md")
    assert f"follow at {figures}".replace("0.", ".") in page
    assert page.count(f"{unseen:.3f}"[1:]) >= 3


def test_the_readme_lists_the_categories_that_there_are() -> None:
    line = re.search(r"The labels are (.*?)[.:(]", text_of(ROOT / "README.md").replace("\n", " "))
    assert line is not None
    assert sorted(re.findall(r"\w+", line[1].replace("**", "").replace(" and ", " "))) == sorted(CATEGORIES)


# --- Commands that cost next to nothing.


CHEAP = sorted(
    {
        tuple(words[1:])
        for page in DOCS
        for words in commands(page)
        if " ".join(words[1:3]) in RUN and not any("/" in word or word.endswith("-decoder") for word in words)
    }
)


@pytest.mark.parametrize("words", CHEAP, ids=shlex.join)
def test_commands_that_only_print_do_so(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, list(words))
    assert (done.exit_code, bool(done.stdout.strip())) == (0, True), done.output


def names(command: typer.core.TyperCommand, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield before
    for name, inner in getattr(command, "commands", {}).items():
        yield from names(inner, (*before, name))


@pytest.mark.parametrize("words", list(names(program())), ids=lambda words: " ".join(words) or "all")
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.output
