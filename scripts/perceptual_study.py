"""A blind comparison of talking faces by people: pages for raters, and what their answers say.

    python scripts/perceptual_study.py make study.json PAGES --raters 12    # a folder of pages and the key
    python scripts/perceptual_study.py score PAGES/key.json ANSWERS          # shares, intervals, strengths

``study.json``::

    {"question": "Which face fits the voice better?",
     "systems": {"ours": "ours/", "theirs": "theirs/"},
     "training": [["good/a.mp4", "bad/a.mp4"]],
     "traps": [["good/b.mp4", "wrong_sound/b.mp4"]]}

Systems are folders with videos of equal names. A page has, after ITU-T P.910 (10/2023): trials with the answer shown
(training), items whose answer is known (traps: the first is right), and every pair of systems on each clip. Of two
raters one sees the other sides, and the order is drawn anew for each two. A page is one HTML file beside the videos,
works by keys (← → space) and on phones, says nothing of systems, and gives its answers as a JSON file. Answers are
scored without raters who miss more than one trap in five; who they are is printed. Intervals are bootstrapped over
raters, since answers of one person are not independent; strengths are those of Bradley and Terry (1952).

To be written down before the first answer (preregistration): question, systems with versions, clips and how they were
chosen, number of raters and where they come from, the rule of exclusion above, the one comparison that counts, and that
its share of preferences with its 95 % interval is reported whatever it is.
"""

from __future__ import annotations

import argparse
import html
import itertools
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

MOST_MISSED = 0.2
"""Share of traps that a rater may miss."""
DRAWS = 2000
"""Draws of raters for an interval."""
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Talking faces</title>
<style>
:root{color-scheme:light dark;font:18px/1.5 system-ui,sans-serif}body{margin:0 auto;max-width:60rem;padding:1rem}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem}video{width:100%%;background:#888}
button{font:inherit;padding:.6rem 1rem;width:100%%}button:focus-visible{outline:3px solid Highlight}
@media(max-width:34rem){.pair{grid-template-columns:1fr}}
</style>
<main><h1>Talking faces</h1><p id="said" aria-live="polite">%(question)s Play both with sound. Keys: ← left, → right,
space plays the one that was not played. The first items are for practice.</p>
<p id="place"></p>
<div class="pair"><div><video id="v0" playsinline controls></video><button id="b0">Left</button></div>
<div><video id="v1" playsinline controls></video><button id="b1">Right</button></div></div>
<p id="hint" role="status"></p>
<p id="end" hidden>Thank you. <a id="file">Save the answers</a> and send the file back.</p></main>
<script>
const study = %(study)s;
const $ = (name) => document.getElementById(name);
const answers = [], played = [new Set(), new Set()];
let at = -1, began = 0;
const next = () => {
  if (++at === study.items.length) {
    const text = JSON.stringify({ study: study.name, rater: study.rater, answers });
    $("file").href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    $("file").download = `answers_${study.rater}.json`;
    $("end").hidden = false;
    document.querySelector(".pair").hidden = true;
    $("place").textContent = $("said").textContent = $("hint").textContent = "";
    return;
  }
  study.items[at].videos.forEach((file, side) => { $(`v${side}`).src = file; });
  $("place").textContent = `${at + 1} of ${study.items.length}${study.items[at].training ? ", practice" : ""}`;
  $("hint").textContent = "";
  began = performance.now();
};
const choose = (side) => {
  if (at >= study.items.length) return;
  const item = study.items[at];
  const unseen = ![0, 1].every((k) => played[k].has(at));
  const wrong = item.training !== undefined && side !== item.training;
  $("hint").textContent = unseen ? "Play both first." : wrong ? "Look again: the other one fits better." : "";
  if (unseen || wrong) return;
  answers.push({ item: item.id, side, seconds: Math.round((performance.now() - began) / 100) / 10 });
  next();
};
[0, 1].forEach((side) => {
  $(`b${side}`).onclick = () => choose(side);
  $(`v${side}`).onplay = () => { played[side].add(at); $(`v${1 - side}`).pause(); };
});
// A video that is paused before it has begun rejects its play(): the other one was asked for, and nothing is wrong.
const passing = (error) => { if (error.name !== "AbortError") throw error; };
addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") choose(0);
  else if (event.key === "ArrowRight") choose(1);
  else if (event.key === " ") { event.preventDefault(); $(`v${played[0].has(at) ? 1 : 0}`).play().catch(passing); }
  else return;
  event.preventDefault();
});
addEventListener("beforeunload", (event) => { if (answers.length && at < study.items.length) event.preventDefault(); });
next();
</script></html>
"""
"""A rater's page."""


def planned(study: dict[str, Any], clips: list[str], raters: int) -> list[list[dict[str, Any]]]:
    """Items of each rater: ``id``, the two ``systems`` by side (or ``trap``, ``training``) and the clip.

    Every rater sees each pair of systems on each clip; of two raters one sees the other sides.
    """
    pairs = list(itertools.combinations(sorted(study["systems"]), 2))
    items = [(pair, clip) for clip in clips for pair in pairs]
    plans = []
    for rater in range(raters):
        rng = np.random.default_rng((7, rater // 2))
        order = rng.permutation(len(items))
        flips = rng.permutation(np.arange(len(items)) % 2) ^ (rater % 2)  # of two raters one sees the other sides
        body = [
            {"id": f"{clip}|{a}|{b}", "systems": [a, b][:: -1 if flips[k] else 1], "clip": clip}
            for k, ((a, b), clip) in ((k, items[k]) for k in order)
        ]
        traps = [
            {"id": f"trap {k}", "trap": int((k + rater) % 2), "videos": pair[:: -1 if (k + rater) % 2 else 1]}
            for k, pair in enumerate(study.get("traps", []))
        ]
        for k, trap in enumerate(traps):
            body.insert((k + 1) * len(body) // (len(traps) + 1), trap)
        training = [
            {"id": f"training {k}", "training": (k + rater) % 2, "videos": pair[:: -1 if (k + rater) % 2 else 1]}
            for k, pair in enumerate(study.get("training", []))
        ]
        plans.append([*training, *body])
    return plans


def make(path: Path, folder: Path, raters: int) -> None:
    """Write a page a rater, and the key, which raters must not see."""
    study = json.loads(path.read_text(encoding="utf-8"))
    root = path.parent
    names = [{file.name for file in (root / place).iterdir()} for place in study["systems"].values()]
    clips = sorted(set.intersection(*names))
    if len(study["systems"]) < 2 or not clips:
        sys.exit(f"{path}: give two systems or more, whose folders have videos of equal names")
    files = [root / name for kind in ("training", "traps") for pair in study.get(kind, []) for name in pair]
    if missing := [str(file) for file in files if not file.is_file()]:
        sys.exit(f"{missing[0]}: no such file")
    folder.mkdir(parents=True)
    hidden: dict[str, str] = {}

    def anonymous(file: Path) -> str:
        """A name that says nothing, of a link to the video, or of a copy where links cannot be made."""
        name = hidden.setdefault(str(file), f"{len(hidden):04d}{file.suffix}")
        if not (folder / name).exists():
            os.link(file, folder / name)
        return name

    rng = np.random.default_rng(1)
    everything = [root / place / clip for place in study["systems"].values() for clip in clips] + files
    for k in rng.permutation(len(everything)):
        anonymous(everything[k])
    plans = planned(study, clips, raters)
    for rater, plan in enumerate(plans):
        shown = []
        for item in plan:
            own = [root / study["systems"][s] / item["clip"] for s in item["systems"]] if "systems" in item else None
            videos = [anonymous(file) for file in own or [root / name for name in item["videos"]]]
            hint = {"training": item["training"]} if "training" in item else {}
            shown.append({"id": len(shown), "videos": videos, **hint})
        data = json.dumps({"name": path.stem, "rater": rater, "items": shown}).replace("<", "\\u003c")
        page = PAGE % {"question": html.escape(study["question"]), "study": data}
        (folder / f"rater_{rater:03d}.html").write_text(page, encoding="utf-8")
    key = {"name": path.stem, "systems": sorted(study["systems"]), "plans": plans}
    (folder / "key.json").write_text(json.dumps(key), encoding="utf-8")
    print(f"{folder}: {raters} pages of {len(plans[0])} items; keep key.json to yourself")


def score(key: dict[str, Any], answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares of preferences by pair with intervals, and strengths, of raters who saw the traps.

    Returns:
        ``raters``, ``excluded``, ``pairs`` (name: share of the first, low, high, votes) and ``strengths``.
    """
    kept: dict[int, list[tuple[str, str]]] = {}
    excluded = []
    for given in answers:
        plan, missed, traps, votes = key["plans"][given["rater"]], 0, 0, []
        for answer in given["answers"]:
            item = plan[answer["item"]]
            if "trap" in item:
                traps, missed = traps + 1, missed + (answer["side"] != item["trap"])
            elif "systems" in item:
                votes.append((item["systems"][answer["side"]], item["systems"][1 - answer["side"]]))
        if missed > MOST_MISSED * traps:
            excluded.append(given["rater"])
        else:
            kept[given["rater"]] = votes
    rng = np.random.default_rng(0)
    raters = sorted(kept)
    found: dict[str, Any] = {"raters": len(raters), "excluded": excluded, "pairs": {}}
    for a, b in itertools.combinations(key["systems"], 2):
        rows = np.array([[sum(vote == w for vote in kept[r]) for w in ((a, b), (b, a))] for r in raters], float)
        if not len(rows) or not rows.sum():
            continue
        draws = rows[rng.integers(len(rows), size=(DRAWS, len(rows)))].sum(axis=1)
        low, high = np.percentile(draws[:, 0] / np.maximum(draws.sum(axis=1), 1.0), [2.5, 97.5])
        share = rows[:, 0].sum() / rows.sum()
        named = {"share": share, "low": low, "high": high, "votes": int(rows.sum())}
        found["pairs"][f"{a} over {b}"] = {name: round(value, 4) for name, value in named.items()}
    found["strengths"] = strengths(key["systems"], [vote for votes in kept.values() for vote in votes])
    return found


def strengths(systems: list[str], votes: list[tuple[str, str]]) -> dict[str, float]:
    """Log strengths of Bradley and Terry, of mean 0, shrunk a little so that a system that always wins has one."""
    wins: dict[tuple[int, int], int] = defaultdict(int)
    for winner, loser in votes:
        wins[systems.index(winner), systems.index(loser)] += 1

    def cost(theta: np.ndarray) -> float:
        return float(
            sum(n * np.log1p(np.exp(theta[b] - theta[a])) for (a, b), n in wins.items()) + 0.05 * (theta**2).sum()
        )

    best = minimize(cost, np.zeros(len(systems))).x
    return {name: round(float(value), 3) for name, value in zip(systems, best - best.mean(), strict=True)}


def main() -> None:
    """Make pages, or score answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True, dest="part")
    making = parts.add_parser("make")
    making.add_argument("study", type=Path)
    making.add_argument("folder", type=Path)
    making.add_argument("--raters", type=int, default=12)
    scoring = parts.add_parser("score")
    scoring.add_argument("key", type=Path)
    scoring.add_argument("answers", type=Path, help="folder of the files that raters sent back")
    given = parser.parse_args()
    if given.part == "make":
        make(given.study, given.folder, given.raters)
        return
    key = json.loads(given.key.read_text(encoding="utf-8"))
    files = sorted(given.answers.glob("*.json"))
    answers = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.name != given.key.name]
    print(json.dumps(score(key, [each for each in answers if each.get("study") == key["name"]]), indent=2))


if __name__ == "__main__":
    main()
