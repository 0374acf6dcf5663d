"""What became of a mesh, as one HTML page that needs nothing else: a sheet of expressions, the score, what to do."""

from __future__ import annotations

import io
from base64 import b64encode
from html import escape

from PIL import Image as Pictures

from sedtalker.face.expressions import EMOTIONS, MOUTH_SHAPES
from sedtalker.face.face import Face
from sedtalker.face.quality import Quality
from sedtalker.render.contact_sheet import contact_sheet

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What the page may load: nothing."""
CSS = """
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 70rem; background: #fff; color: #222;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2rem 0 .3rem; font-size: 1.15rem; } p { margin: .3rem 0 .8rem; }
img { width: 100%; height: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .8rem; border-bottom: 1px solid #ececec; text-align: left; } th { color: #555; }
"""
"""Style sheet of the page."""
MEANINGS = {
    "landmarks": "eyes, nose and mouth lie as a person's",
    "fit": "the surface is that of the fitted face",
    "lips": "closed lips meet",
    "mouth": "open lips show a mouth",
    "blink": "lids close",
    "surface": "the face at rest has no holes, no turned and no jagged polygons",
    "halves": "the halves of the face at rest are alike",
    "inverted": "no polygon turns over",
    "emotions": "six emotions differ from each other",
    "size": "shapes move as far as a person's",
    "symmetry": "left and right move alike",
}
"""What each part of the score asks, as a reader says it."""
SIZE = 200
"""Pixels a side of one picture of the sheet."""


def expression_sheet(face: Face) -> Pictures.Image:
    """The face at rest, in six emotions and in five mouth shapes."""
    poses = {"neutral": {}, **EMOTIONS, **MOUTH_SHAPES}
    return Pictures.fromarray(contact_sheet(face, poses, size=SIZE, columns=6, zoom=1.3))


def fit_page(face: Face, quality: Quality) -> str:
    """The page of a registered face with a report."""
    report = face.report
    assert report is not None
    picture = io.BytesIO()
    expression_sheet(face).save(picture, "JPEG", quality=88)
    rows = "".join(
        f"<tr><td>{MEANINGS[name]}</td><td>{value:.2f}</td><td>{_figure(quality.measured[name])}</td></tr>"
        for name, value in quality.parts.items()
    )
    notes = [*report.warnings, *(f"To do: {advice}" for advice in quality.advice)]
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes) or "<li>nothing</li>"
    behind = ", ".join(report.behind_lips) or "not to be seen: the lips are sealed"
    gains = ", ".join(f"{region} × {gain:g}" for region, gain in report.gains.items()) or "as they are"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(face.name)}</title><style>{CSS}</style></head><body>"
        f"<h1>{escape(face.name)}: {quality.verdict}, {quality.score:.2f} of 1</h1>"
        f"<p>Shapes: {escape(report.way)}, {escape(report.basis)}. Behind the lips: {escape(behind)}. "
        f"Amounts: {escape(gains)}.</p>"
        f'<img alt="The face at rest, in six emotions and in five mouth shapes" '
        f'src="data:image/jpeg;base64,{b64encode(picture.getvalue()).decode()}">'
        f"<h2>Score</h2><table><tr><th>question</th><th>0 to 1</th><th>measured</th></tr>{rows}</table>"
        f"<h2>Worth knowing</h2><ul>{listed}</ul></body></html>\n"
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
