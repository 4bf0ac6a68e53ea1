"""Numbers as people read them: filters of the templates."""

from __future__ import annotations

from datetime import datetime


def spoken_seconds(seconds: float | None) -> str:
    """Such as "0.8 s", "12 s", "3 min 5 s", "2 h 10 min", "3 d 4 h"; "–" for None."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    for size, name, below, smaller in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {name} {rest} {smaller}" if rest else f"{whole // size} {name}"
    raise AssertionError(seconds)


def spoken_share(share: float | None) -> str:
    """A share of one as a percentage with one decimal; "–" for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def spoken_bytes(count: float | None) -> str:
    """Such as "512 B", "1.5 GB"; "–" for None."""
    if count is None:
        return "–"
    for name in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {name}" if name == "B" or count >= 99.5 else f"{count:.1f} {name}"
        count /= 1000
    return f"{count:.1f} TB"


def spoken_time(at: datetime) -> str:
    """In UTC; a script writes it in the viewer's zone."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


FILTERS = {
    "seconds": spoken_seconds,
    "share": spoken_share,
    "bytes": spoken_bytes,
    "time": spoken_time,
}
