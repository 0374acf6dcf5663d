"""A report as one HTML file that needs nothing else, and as CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from sedtalker.batch import plots
from sedtalker.batch.comparisons import comparison_rows, course_rows, trend_rows
from sedtalker.batch.statistics import (
    GroupStatistics,
    Row,
    emotion_rows,
    group_rows,
    recording_rows,
    segment_rows,
    statistics,
    transition_rows,
)
from sedtalker.batch.tracks import PAGE, Tracks, write_rows
from sedtalker.storage import OutputFolder
from sedtalker.version import __version__

TABLES = (
    "recordings.csv",
    "groups.csv",
    "emotions.csv",
    "transitions.csv",
    "comparisons.csv",
    "trends.csv",
    "course.csv",
    "segments.csv",
)
"""Names of the tables."""
MOST_ROWS = 500
"""Rows of a table on the page; the CSV files have all."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""What the page may load: nothing."""
CSS = """
:root { color-scheme: light; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: #fff; color: #222;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2.5rem 0 .3rem; font-size: 1.15rem; }
p { margin: .3rem 0 .8rem; color: #555; }
.totals { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.totals div { padding: .6rem .8rem; border: 1px solid #e2e2e2; border-radius: .5rem; }
.totals b { display: block; font-size: 1.35rem; line-height: 1.3; } .totals span { color: #555; }
svg { display: block; width: 100%; min-width: 38rem; height: auto; }
svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif !important; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .6rem; border-bottom: 1px solid #ececec; text-align: right; white-space: nowrap; }
th { color: #555; font-weight: 600; } .text { text-align: left; }
.path { white-space: normal; overflow-wrap: anywhere; } td.path { min-width: 11rem; }
footer { margin-top: 3rem; color: #666; font-size: .87rem; }
"""
"""Style sheet of the page."""
HEADINGS = {
    "duration_s": "seconds",
    "speech_s": "of speech",
    "changes_a_minute": "changes / min",
    "mean_intensity": "intensity",
    "mean_valence": "valence",
    "mean_arousal": "arousal",
    "mean_segment_s": "seconds each",
    "most_of_the_time": "mostly",
}
"""Columns of the tables as the page calls them."""
NAMES = ("recording", "group")
"""Columns whose cells may be long."""
MOST_COMPARED = 30
"""Comparisons on the page."""
COMPARED = (
    "Each group against all other recordings: difference of the means with a 95 % interval; p by ranks, and corrected "
    "for all rows (Holm). Those least by chance come first."
)
"""Above the comparisons."""
TREND = (
    "How each measure goes with the column of --over: rank correlation, change a unit (a day for dates), p, corrected."
)
"""Above the trends."""
COUNTS = ("duration_s", "speech_s", "seconds", "changes_a_minute")
"""Columns that need no more than one decimal."""


def write_report(tracks: Tracks, folder: Path, force: bool) -> list[GroupStatistics]:
    """Write the page and the tables of some tracks into a folder; all of them appear, or none.

    Returns:
        the statistics, of all recordings first.

    Raises:
        InputError: there is a report already and ``force`` is off, or it cannot be written.
    """
    groups = statistics(tracks)
    found = comparison_rows(tracks), trend_rows(tracks)
    counted = recording_rows(tracks), group_rows(groups), emotion_rows(groups), transition_rows(groups)
    rows = (*counted, *found, course_rows(tracks), segment_rows(tracks))
    names = [PAGE, *(name for name, table in zip(TABLES, rows, strict=True) if table)]
    with OutputFolder(folder, names, force) as results:
        for name, table in zip(TABLES, rows, strict=True):
            if table:
                write_rows(results.path / name, table)
        (results.path / PAGE).write_text(page(tracks, groups, *found), encoding="utf-8", errors="backslashreplace")
    return groups


def described(groups: Sequence[GroupStatistics], tracks: Tracks) -> dict[str, Any]:
    """The statistics as plain data."""
    return {
        "folder": str(tracks.folder),
        "by": tracks.by,
        "groups": [
            {
                **row,
                "emotions": [
                    {key: value for key, value in emotion.items() if key != "group"}
                    for emotion in emotion_rows([group])
                ],
                "labels": list(group.labels),
                "transitions": group.changes.tolist(),
            }
            for row, group in zip(group_rows(groups), groups, strict=True)
        ],
        "comparisons": comparison_rows(tracks),
        "trends": trend_rows(tracks),
        "course": course_rows(tracks),
        "left_out": tracks.left_out,
        "failed": tracks.failed,
    }


def page(
    tracks: Tracks, groups: Sequence[GroupStatistics], compared: Sequence[Row] = (), trends: Sequence[Row] = ()
) -> str:
    """The page; every name of a file or a group is escaped."""
    everything, several = groups[0], len(groups) > 1
    by = f" by {escape(tracks.by or '')}" if several else ""
    drawn = groups if len(groups) != 2 else groups[:1]
    parts = [
        f"<h1>Emotion in {everything.recordings} recording{'s' * (everything.recordings != 1)}</h1>",
        f'<p class="path">{escape(str(tracks.folder))}</p>',
        totals(everything),
        section(
            f"Share of time{by}",
            "How long each emotion lasts, as a share of all time." + _more(len(groups) - 1, plots.MOST_GROUPS),
            plot(plots.share_plot(drawn)),
        ),
        section(
            "Intensity",
            "Mean intensity while an emotion lasts" + ("; a dot is a group." if len(drawn) > 1 else "."),
            plot(plots.intensity_plot(drawn)),
        ),
        section("Transitions", changes_text(everything), plot(plots.transition_plot(everything))),
        section(
            "Over time",
            "Each recording; the thicker, the more intense." + _more(everything.recordings, plots.MOST_RECORDINGS),
            plot(plots.timeline_plot(tracks.summaries)),
        ),
        section("Durations", "", plot(plots.duration_plot(tracks.summaries))) if everything.recordings > 1 else "",
        section("Groups", "", table(group_rows(groups))) if several else "",
        section("Comparisons", COMPARED, table(compared[:MOST_COMPARED])) if compared else "",
        section("Trends", TREND, table(trends)) if trends else "",
        section("Emotions", "Of all recordings." * several, table(emotion_rows(groups[:1]))),
        section("Recordings", "Everything is also in the CSV files beside this page.", table(short_rows(tracks))),
        listed("Left out", "These are no emotion tracks.", [f"{n}: {why}" for n, why in tracks.left_out.items()]),
        listed("Failed", "Recordings that failed in the batch; its log says why.", tracks.failed),
        f"<footer>SEDTalker {__version__}. Labels are expressed emotion as it was predicted or given, never what a "
        "person feels.</footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Emotion report: {escape(tracks.folder.name)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def totals(group: GroupStatistics) -> str:
    """The figures on top."""
    mostly = group.labels[int(group.seconds.argmax())] if group.labels else "–"
    figures = [
        (str(group.recordings), "recordings"),
        (clock(group.duration), "in all"),
        *([(clock(group.speech), "of speech")] if group.speech is not None else []),
        (mostly, "most of the time"),
        (f"{group.mean_intensity:.2f}", "mean intensity"),
        (f"{group.changes_a_minute:.1f}", "changes a minute"),
    ]
    return (
        '<div class="totals">'
        + "".join(f"<div><b>{escape(n)}</b><span>{t}</span></div>" for n, t in figures)
        + "</div>"
    )


def clock(seconds: float) -> str:
    """``48 s``, ``12 min 5 s`` or ``3 h 20 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def changes_text(group: GroupStatistics) -> str:
    """What the matrix shows."""
    if not group.changes.sum():
        return "No recording changes from one emotion to another."
    return "From the emotion of a row to that of a column: share of the changes from that row, and how many."


def plot(svg: str) -> str:
    """A plot, which scrolls on a narrow screen."""
    return f'<div class="wide">{svg}</div>'


def _more(count: int, most: int) -> str:
    return f" The first {most} of {count} are drawn." if count > most else ""


def section(title: str, text: str, body: str) -> str:
    """A part of the page."""
    return f"<section>\n<h2>{title}</h2>\n" + (f"<p>{text}</p>\n" if text else "") + f"{body}\n</section>"


def short_rows(tracks: Tracks) -> list[Row]:
    """The table of recordings without the shares."""
    rows = recording_rows(tracks)
    grouped = tracks.by is not None
    return [
        {name: value for name, value in row.items() if not name.startswith("share_") and (grouped or name != "group")}
        for row in rows
    ]


def table(rows: Sequence[Row]) -> str:
    """Rows as a table; text to the left, numbers to the right."""
    names = list(rows[0])
    text = {name for name in names if isinstance(rows[0][name], str)}
    if "group" in names and len({row["group"] for row in rows}) == 1 and "recordings" not in names:
        names.remove("group")

    def cell(row: Row, name: str) -> str:
        value = row[name]
        if isinstance(value, float):
            value = f"{value:.1%}" if name == "share" else f"{value:.1f}" if name in COUNTS else f"{value:.2f}"
        shown = "–" if value is None else escape(str(value))
        return f'<td class="text{" path" * (name in NAMES)}">{shown}</td>' if name in text else f"<td>{shown}</td>"

    head = "".join(
        f'<th scope="col"{" class=text" * (name in text)}>{escape(HEADINGS.get(name, name))}</th>' for name in names
    )
    body = "\n".join("<tr>" + "".join(cell(row, name) for name in names) + "</tr>" for row in rows[:MOST_ROWS])
    more = f"<p>{len(rows) - MOST_ROWS} more rows are in the CSV file.</p>" if len(rows) > MOST_ROWS else ""
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>{more}'


def listed(title: str, text: str, lines: Sequence[str]) -> str:
    """A part with a list, where there is something in it."""
    if not lines:
        return ""
    items = "\n".join(f'<li class="path">{escape(line)}</li>' for line in lines[:MOST_ROWS])
    return section(f"{title} ({len(lines)})", text, f"<ul>\n{items}\n</ul>")
