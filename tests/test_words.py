"""Names and sentences use the words of the literature, which can be searched for, and none of our own.

| not | but |
|---|---|
| hear, listen | encode, predict |
| heard | features, prediction |
| told, tell (of networks) | prediction, condition |
| ear | closure |
| stranger | unseen speaker |
| taught, teach | trained, pseudo-labelled |
| surroundings | noises and impulse responses |
| in step | synchronised |
| acted | emotional, played |
| felt | expressed |
| lip gauge | lip measure |
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from sedtalker.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "NOTICE", "data/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(ROOT.glob("checkpoints/*/README.md")),
]
CODE = [
    *sorted((ROOT / "sedtalker").rglob("*.py")),
    *sorted((ROOT / "scripts").rglob("*.py")),
    *sorted((ROOT / "configs").rglob("*.yaml")),
]
BANNED = {
    "encode, predict": r"hear|hears|hearing|listen|listens|listening",
    "features, prediction": r"heard|unheard",
    "prediction, condition": r"told",
    "unseen speaker": r"strangers?",
    "trained, pseudo-labelled": r"taught|teach|teaches",
    "noises and impulse responses": r"surroundings",
    "synchronised": r"in step|instep|out of step",
    "emotional, played": r"acted(?! (?:speech|emotion|corpora|or))|acting",
    "expressed": r"felt",
    "lip measure": r"gauges?",
    "closure": r"ears?",
}
"""What to say instead, and what not to say, as a regular expression of whole words."""
ANATOMY = ("face", "mesh", "render", "scripts", "face_fit", "landmark", "registration", "head")
"""Parts of paths where an ear is one of a head."""


def complaints(text: str, where: str) -> list[str]:
    """The banned words in a text; names are split at underscores and capitals."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("_", " ").lower()
    found = []
    for better, pattern in BANNED.items():
        if better == "closure" and any(part in where for part in ANATOMY):
            continue
        if better == "lip measure" and "server/monitoring" in where:  # a kind of counter of Prometheus
            continue
        found += [f"{where}: '{match[0]}', say {better}" for match in re.finditer(rf"\b(?:{pattern})\b", plain)]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages(page: Path) -> None:
    text = re.sub(r"\]\([^)]*\)|`[^`\n]*`", "", page.read_text(encoding="utf-8"))  # targets of links, and code
    found = [c for number, line in enumerate(text.splitlines(), 1) for c in complaints(line, f"{page.name}:{number}")]
    assert found == []


def helps() -> Iterator[tuple[str, str]]:
    """(command, help) of every command: its own text and that of its options."""

    def look(command: typer.core.TyperCommand, name: str) -> Iterator[tuple[str, str]]:
        yield name, " ".join([command.help or "", *(getattr(p, "help", None) or "" for p in command.params)])
        for word, inner in getattr(command, "commands", {}).items():
            yield from look(inner, f"{name} {word}")

    return look(typer.main.get_command(app), "sedtalker")


@pytest.mark.parametrize(("name", "text"), list(helps()), ids=[name for name, _ in helps()])
def test_help(name: str, text: str) -> None:
    assert text
    assert complaints(text, name) == []


def words_of_code(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of comments, strings and names."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    kinds = {tokenize.COMMENT, tokenize.STRING, tokenize.NAME, getattr(tokenize, "FSTRING_MIDDLE", -1)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in kinds:
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, line


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_code(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    found = [c for number, text in words_of_code(path) for c in complaints(text, f"{name}:{number}")]
    assert found == []
