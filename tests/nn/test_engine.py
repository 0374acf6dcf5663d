"""Networks as graphs."""

from __future__ import annotations

from sedtalker.checkpoint import builtin_checkpoint
from sedtalker.nn.engine import KINDS, open_graph


def test_a_graph_keeps_no_memory_of_its_longest_input() -> None:
    """An arena does, one for each graph; without it the numbers are the same."""
    graph = open_graph(builtin_checkpoint("speakers"), KINDS["speakers"].graph)
    assert graph is not None
    assert not graph._session.get_session_options().enable_cpu_mem_arena
