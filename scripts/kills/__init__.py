"""The parts of ``scripts/kill_commands.py``."""
