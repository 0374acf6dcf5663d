"""Names and sentences use the terms that CONTRIBUTING lists; retired words may not come back.

A retired word is allowed where it is a term of its field: the ear of a head, acted speech, a gauge of Prometheus,
listening in a conversation.
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
WRITTEN = [page for page in PAGES if page.suffix == ".md" and page.parent.parent.name != "checkpoints"]
"""Pages that are not filled from a template."""
CODE = [
    *sorted((ROOT / "sedtalker").rglob("*.py")),
    *sorted((ROOT / "scripts").rglob("*.py")),
    *sorted((ROOT / "configs").rglob("*.yaml")),
]
RETIRED = {
    "encode, predict": r"hear|hears|hearing|listen|listens",
    "features, prediction": r"heard|unheard",
    "prediction, condition": r"told",
    "unseen speaker": r"strangers?",
    "pseudo-labelled, trained": r"taught",
    "noises and impulse responses": r"surroundings",
    "synchronised": r"in step|instep|out of step",
    "emotional, played": r"spoken as|acted(?! (?:speech|emotion|corpora|or))|acting",
    "expressed": r"felt",
    "lip measure": r"gauges?",
    "closure": r"ears?",
    "SIGTERM, SIGKILL": r"polite kill|killed without mercy",
    "public API": r"front door(?!\.py)",
    "built in, bundled": r"in the box",
    "extras": r"two storeys",
    "fine-grained emotions": r"finer kinds?",
    "deformation transfer": r"carried over from",
}
"""What to say instead, and the retired words as a regular expression of whole words."""
ANY_RETIRED = re.compile("|".join(rf"\b(?:{pattern})\b" for pattern in RETIRED.values()))
"""Most texts have none of them."""
ANATOMY = ("face", "mesh", "render", "scripts", "face_fit", "landmark", "registration", "head")
"""Parts of paths where an ear is one of a head."""
OLD_OPTIONS = "sedtalker/cli/options.py"
"""The one file whose docstrings still are such fragments; its declarations are being moved."""
FRAGMENT = re.compile(r'^\s*(?:r|f)?"""Of ')
"""A docstring that is a fragment: it names what something belongs to, and not what it is."""
LONGEST_LINE = 160
"""Characters of a line of text; tables, pictures and generated parts may be longer."""


def complaints(text: str, where: str) -> list[str]:
    """The retired words in a text; names are split at underscores and capitals."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("_", " ").lower()
    if not ANY_RETIRED.search(plain):
        return []
    found = []
    for better, pattern in RETIRED.items():
        if better == "closure" and any(part in where for part in ANATOMY):
            continue
        if better == "lip measure" and "server/pool" in where:  # a kind of counter of Prometheus
            continue
        found += [f"{where}: '{match[0]}', say {better}" for match in re.finditer(rf"\b(?:{pattern})\b", plain)]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages(page: Path) -> None:
    text = re.sub(r"\]\([^)]*\)|`[^`\n]*`", "", page.read_text(encoding="utf-8"))  # targets of links, and code
    found = [c for number, line in enumerate(text.splitlines(), 1) for c in complaints(line, f"{page.name}:{number}")]
    assert found == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_pages_are_not_too_long(page: Path) -> None:
    text = re.sub(
        r"<!-- (\S+): begin -->.*?<!-- \1: end -->|```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    long = [line for line in text.splitlines() if len(line) > LONGEST_LINE and not line.startswith(("|", "!["))]
    assert long == []


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
    lines = path.read_text(encoding="utf-8").splitlines()
    if name != OLD_OPTIONS:
        found += [f"{name}:{number}: a fragment" for number, line in enumerate(lines, 1) if FRAGMENT.match(line)]
    assert found == []
