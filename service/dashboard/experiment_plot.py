"""What a plot is: traces and layout as plotly.js takes them, and a sentence that says what they show.

Colours are not told here: the page knows whether its viewer likes it dark (static/experiment_plots.js).
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LONGEST_LABEL = 28
CHARACTER = 6.2  # pixels a character of a label takes, about
DIGITS = 4  # of values that are drawn


@dataclass(frozen=True)
class Plot:
    """One plot. summary: what it shows, for who does not see it; alone where there is nothing to draw yet.

    links: name -> path of the same as a file; they follow what was chosen to be shown.
    """

    summary: str
    data: Sequence[Mapping[str, Any]] = ()
    layout: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


def names(labels: Sequence[str], tasks: Sequence[int]) -> list[str]:
    """Labels as plotly shows them: short, none twice, and none taken for one of its tags."""
    short = [label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…" for label in labels]
    counts = Counter(short)
    told = [
        label if counts[label] == 1 and label else f"{label} #{task}"
        for label, task in zip(short, tasks, strict=True)
    ]
    return [html.escape(label, quote=False) for label in told]


def room_for(shown: Sequence[str]) -> int:
    """Pixels that the names take beside an axis."""
    longest = max((len(html.unescape(name)) for name in shown), default=0)
    return round(14 + CHARACTER * longest)


def categories(shown: Sequence[str], **more: Any) -> dict[str, Any]:
    """An axis with a place for each of these names, in this order."""
    return {"type": "category", "categoryorder": "array", "categoryarray": list(shown), **more}


def number(value: float | None, digits: int = 2) -> str:
    """A number in a sentence; nothing that is shown as 0 has a minus sign."""
    if value is None:
        return "unknown"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def counted(count: int, what: str) -> str:
    """ "1 task", "2 tasks"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
