"""What one look found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was looked at, what is so, and in one line what to do about it ("" where nothing is to do)."""

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def ok(subject: str, detail: str) -> Finding:
    """It is as it should be."""
    return Finding(subject, "ok", detail)


def warning(subject: str, detail: str, remedy: str) -> Finding:
    """Something works less well than it could, or not everything does."""
    return Finding(subject, "warning", detail, remedy)


def problem(subject: str, detail: str, remedy: str) -> Finding:
    """It cannot work like this."""
    return Finding(subject, "problem", detail, remedy)
