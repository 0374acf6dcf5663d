"""``python -m sedtalker``."""

from sedtalker.cli.main import app

app()
