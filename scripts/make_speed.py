"""Write ``docs/speed.md`` and its plot from what ``benchmark.py -o DIR`` measured; nothing is measured here.

python scripts/benchmark.py -o DIR && python scripts/make_speed.py DIR
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measured_page import markdown_table
from measures.benchmark import figure_rows, stage_rows

ROOT = Path(__file__).parents[1]
"""Root of the repository."""
PAGE = """# Speed

Measure the speed on your own machine in a source checkout:

```sh
python scripts/benchmark.py --quick            # the figures below, in about a minute on two idle cores
python scripts/benchmark.py --quick --json     # the same for programs
python scripts/benchmark.py -o speed           # everything, up to an hour of speech: JSON and a plot
```

No recording is needed: a formula generates speech-like sound. Every measurement runs in a separate process without
warm caches. Stages are counted in CPU seconds, which other programs disturb least; start-up and video in wall time.

## Figures

Written by `scripts/make_speed.py` from a {kind} run on {machine}.
{load}

{figures}

`rt_` is times real time: 30 means that a minute of speech takes two seconds. `rt_diarize_decode` counts everything
between sound in memory and the finished animation, `rt_glb` also reading the file and writing the GLB, both on one
core. `linearity` is 10 where ten minutes take ten times as long as one. `cold_3s_s` is the whole program from the
shell, the second time that day: imports, opening the graphs, writing the files.

## Stages

CPU seconds, by seconds or minutes of speech. The encoder that comes first makes the log-mels of both.

{stages}

![CPU seconds of each stage by the length of the recording](images/speed.png)

## Memory

Sound, log-mels and hidden vectors of a whole recording are in memory (about 0.25 MB per second of speech), while
networks run on parts of it and vertices are computed frame by frame, so memory grows slowly. Recordings longer than
an hour are refused unless `--max-seconds` allows them.

## Start-up

A command imports only what it needs: `--help` neither numpy nor networks, `diarize` no compiler,
`animate --no-video` nothing that draws (`tests/test_start.py`). Cached between runs, in `~/.cache/sedtalker` or
beside the modules, and safe to delete:

- the built-in faces, once built;
- heads that were registered;
- code compiled by numba. An installed package that may not be written to keeps it in `~/.cache/numba`, or where
  `NUMBA_CACHE_DIR` says.

`make setup` fills these; after `pip install`, `python scripts/warm_up.py` in the repository does, or simply the first
clip.

## On a GPU

{gpu}

```sh
pip install 'sedtalker[cuda]'                     # mamba_ssm and causal-conv1d: they compile CUDA code
python scripts/measure_gpu.py --json gpu.json     # in the repository
```

It measures the following, and names what it has to skip:

- `mamba_ssm`'s scan against ours, outputs and gradients: within 1e-4 in single precision and 1e-2 in bfloat16;
- frames a second of the decoder with the kernel and without it, for 1, 8 and 64 recordings at once (the published
  system is said to reach 600 to 800 on an RTX 3090);
- a training step;
- video frames a second of pyrender by EGL (`apt install libegl1`, `pip install 'sedtalker[gl]'`).
"""
"""The page."""
NOT_RUN = "The script below has been run on a CPU only; there are no figures for a GPU yet."
"""Where no GPU was measured."""


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what benchmark.py -o wrote")
    parser.add_argument("--gpu", type=Path, help="JSON of scripts/measure_gpu.py")
    arguments = parser.parse_args()
    report = json.loads((arguments.folder / "benchmark.json").read_text(encoding="utf-8"))
    gpu = NOT_RUN if arguments.gpu is None else gpu_text(json.loads(arguments.gpu.read_text(encoding="utf-8")))
    (ROOT / "docs" / "speed.md").write_text(page(report, gpu), encoding="utf-8")
    shutil.copyfile(arguments.folder / "benchmark.png", ROOT / "docs" / "images" / "speed.png")


def page(report: Mapping[str, Any], gpu: str = NOT_RUN) -> str:
    """The page of a report."""
    found = report["machine"]
    before, after = report["load"]["before"], report["load"]["after"]
    load = f"Load average of the machine: {before} before, {after} after, on {found['cores']} cores."
    if before is not None and before > 0.5 * found["cores"]:
        load += " **The machine was busy**: figures by the clock (start-up, video) are worse than on idle cores."
    heading, rows = stage_rows(report)
    return PAGE.format(
        kind="quick" if report["quick"] else "whole",
        machine=f"{found['cpu']}, {found['cores']} cores, torch {found['torch']}, numba {found['numba']}",
        load=load,
        figures=markdown_table(
            ("figure", "value", "what it is"), ([f"`{n}`", v, about] for n, v, about in figure_rows(report))
        ),
        stages=markdown_table(heading, rows),
        gpu=gpu,
    )


def gpu_text(report: Mapping[str, Any]) -> str:
    """What ``scripts/measure_gpu.py`` found."""
    plain = report["decoder"]["plain"][-1]
    text = (
        f"On {report['device']}: {plain['frames_a_second']:.0f} decoder frames/s of {plain['batch']} recordings at once"
    )
    kernel = report["decoder"]["kernel"]
    if isinstance(kernel, list):
        text += f", {kernel[-1]['frames_a_second']:.0f} with `mamba_ssm`"
    return text + f"; a training step takes {report['training']['seconds']:.3f} s."


if __name__ == "__main__":
    main()
