"""How fast it is here: every stage, lengths from three seconds to an hour, start-up, streams, memory."""

from sedtalker.benchmark.run import run_benchmark

__all__ = ["run_benchmark"]
