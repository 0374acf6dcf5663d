"""What axe says of pages: faults that keep somebody from using them."""

from __future__ import annotations

from typing import Any


def faults(page: Any) -> list[str]:
    """What axe calls serious or critical in a page of Playwright."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node.get('failureSummary', '')[:300]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
