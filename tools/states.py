"""Write docs/states.md from the transition table: `RISKREG_DEMO=1 python tools/states.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from risks.rules import Move

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "states.md"

HEAD = """# The life of a risk

Made from the transition table in `risks/rules.py` by `tools/states.py`; a test keeps the two the same.

"""


def document() -> str:
    """The diagram and the table of moves, as Markdown."""
    from django.utils.translation import override  # needs a configured Django

    from risks.rules import MOVES

    with override("en"):
        arrows = [
            f"    {start.value} --> {move.to_state.value}: {move.label}"
            for move in MOVES
            for start in move.from_states
        ]
        rows = [_row(move) for move in MOVES]
    diagram = [
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> draft: contributor logs",
        "    [*] --> open: manager logs",
    ]
    table = ["| move | from | to | who | demands |", "|---|---|---|---|---|"]
    return HEAD + "\n".join([*diagram, *arrows, "```", "", *table, *rows]) + "\n"


def _row(move: Move) -> str:
    starts = ", ".join(str(state.label) for state in move.from_states)
    who = "owner, manager" if move.owner_may else "manager"
    return f"| {move.label} | {starts} | {move.to_state.label} | {who} | {_demands(move)} |"


def _demands(move: Move) -> str:
    demands = ["approver, end date"] * move.needs_approval + ["reason"] * move.needs_reason
    return ", ".join(demands) or "nothing"


if __name__ == "__main__":
    import django

    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskreg.settings")
    django.setup()
    TARGET.write_text(document(), "utf-8")
