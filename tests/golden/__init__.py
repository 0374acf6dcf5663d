"""Hashes of what about seventy commands write, so that a change of the code shows which outputs it changes.

    python -m tests.golden --compare     # what differs from the manifest, by name
    python -m tests.golden --write       # after an intended change; its commit says which lines moved and why
    python -m tests.golden --compare --only stream

``manifest.json`` keeps two sections: outputs that follow from a given emotion track, and outputs that depend on what
the diarizer finds, which change with its weights and rules. Of an animation file the motion alone is listed beside
the whole file (``.npz:motion``), and it is all that is listed for a change of what the file keeps.

The hashes hold for the pinned lock of ``requirements/`` and one kind of processor: other versions of the numerical
libraries, or other vector instructions, round the last bits differently. The manifest names the versions it was made
with, and the test is skipped elsewhere. Products of matrices on more threads round differently, too: all runs use one.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported; tests have it from the Makefile
