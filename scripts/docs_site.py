"""What is not in ``mkdocs.yml``: pages from outside ``docs/``, and the API reference.

README, CONTRIBUTING, CHANGELOG and the model cards become pages of the site, and links to them are
turned; so the same files read well in the repository and on the site. One page of reference a package is generated, and
one with the nouns of the API.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import sedtalker

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    **{str(card.relative_to(ROOT)): f"cards/{card.parent.name}.md" for card in ROOT.glob("checkpoints/*/README.md")},
}
"""Files of the repository, and where they stand on the site."""
ASSETS = {str(p.relative_to(ROOT)): f"cards/{p.name}" for p in ROOT.glob("checkpoints/*/*.png")}
"""Pictures of the model cards."""
PLAIN = ("LICENSE", "NOTICE")
"""Files that go to the site as they are."""
PACKAGES = (
    *("audio", "speech", "phonetics", "emotion", "animation", "face", "mesh", "render", "export", "metrics", "nn"),
    "training",
)
"""Packages with a page of reference."""
CORE = ("errors", "progress", "checkpoint", "storage", "plugins")
"""Modules on one page, under all packages."""
LINK = re.compile(r"(\]\()(?!https?:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside ``docs/`` and the generated ones."""
    for source, target in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=turned(text, Path(source), Path(target))))
    for source, target in [*ASSETS.items(), *((name, f"{name}.txt") for name in PLAIN)]:
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    cards = "".join(f"- [{Path(t).stem}]({t})\n" for t in sorted(PAGES.values()) if t.startswith("cards/"))
    files.append(File.generated(config, "cards.md", content=f"# Model cards\n\n{cards}"))
    for name, content in reference():
        files.append(File.generated(config, f"reference/{name}.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Turn the links of pages in ``docs/`` that lead out of it."""
    source = Path("docs") / page.file.src_uri
    return markdown if page.file.generated_by else turned(markdown, source, Path(page.file.src_uri))


def turned(text: str, source: Path, target: Path) -> str:
    """``text`` of the repository's file ``source`` with its links as they are from the site's page ``target``."""

    def turn(match: re.Match[str]) -> str:
        place = (ROOT / source.parent / match[2]).resolve()
        if not place.is_relative_to(ROOT):
            return match[0]
        name = str(place.relative_to(ROOT))
        site = PAGES.get(name) or ASSETS.get(name) or (f"{name}.txt" if name in PLAIN else None)
        if site is None:
            site = name.removeprefix("docs/")
        return match[1] + "../" * (len(target.parts) - 1) + site

    return LINK.sub(turn, text)


def reference() -> Iterator[tuple[str, str]]:
    """(name, Markdown) of the pages of reference."""
    lines = ["# Reference", "`from sedtalker import …`; recipes are in [Python](../python.md).", "| | |\n|---|---|"]
    for noun in sedtalker.__all__:
        if not noun.startswith("_"):
            value = getattr(sedtalker, noun)
            lines[-1] += f"\n| [`{noun}`][{value.__module__}.{noun}] | {(value.__doc__ or '').splitlines()[0]} |"
    lines.append("## Packages\n\n| | |\n|---|---|")
    for name in PACKAGES:
        text = importlib.import_module(f"sedtalker.{name}").__doc__ or ""
        lines[-1] += f"\n| [`sedtalker.{name}`]({name}.md) | {text.partition(chr(10))[0]} |"
    lines[-1] += f"\n| [{', '.join(CORE)}](core.md) | what all packages use |"
    yield "index", "\n\n".join(lines)
    yield "core", "\n\n".join(["# Core", *(f"::: sedtalker.{name}" for name in CORE)])
    for name in PACKAGES:
        package = importlib.import_module(f"sedtalker.{name}")
        found = (m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}.") if not m.ispkg)
        modules = [f"::: {module}" for module in found if "._" not in module]
        yield name, "\n\n".join([f"# sedtalker.{name}", package.__doc__ or "", *modules])
