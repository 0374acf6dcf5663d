"""``python -m sedtalker``: the command ``sedtalker``."""

from sedtalker.cli import run

if __name__ == "__main__":
    run()
