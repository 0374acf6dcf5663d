"""Compiles what numba compiles at its first use, and builds the built-in face: once, and not at the first clip.

python scripts/warm_up.py

``make setup`` runs it. The compiled code is kept beside the modules, or in the user's cache folder where the installed
package may not be written to (or in ``NUMBA_CACHE_DIR``).
"""

from __future__ import annotations

from measures.machine import without_notes
from measures.stages import measure_pipeline, measure_video


def main() -> None:
    """Animate two seconds, write a GLB, render a few frames."""
    without_notes()
    measure_pipeline(2.0, 1, ("glb",))
    measure_video(4, 2, None, 64)


if __name__ == "__main__":
    main()
