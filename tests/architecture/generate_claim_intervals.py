"""Generator of the intervals in tgsh/docs/results-of-the-paper.md from the records of replicates.

Run `python -m tests.architecture.generate_claim_intervals` after a record was replaced; test_documents.py
compares the page with a fresh one.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from tgsh.reproduce.claims.quantities import number
from tgsh.reproduce.plan import DatasetChoice
from tgsh.reproduce.record import ClaimResult, QuantityResult, ReproductionRecord, shipped_record

TARGET = Path(__file__).parents[2] / "tgsh" / "docs" / "results-of-the-paper.md"

BEGIN, END = "## Every claim with its interval", "## Since 0.3.0"

WIDTH = 150

NETWORKS = {"flynet": "FlyNet", "neuromodnet": "NeuroModNet", "gsh": "GSH"}

VERDICTS = {
    "holds": "holds",
    "does not hold": "**does not hold**",
    "undecided": "*undecided*",
    "not informative": "*not informative*",
    "not measured": "not measured",
}

SOURCES = {"seeds": "seeds", "base_seeds": "random bases", "both": "seeds and random bases"}


def generate(page: str) -> str:
    """The page with a fresh section of intervals."""
    before, rest = page.split(f"{BEGIN}\n", 1)
    after = rest[rest.index(f"{END}\n") :]
    records = [shipped_record(dataset) for dataset in get_args(DatasetChoice)]
    parts = [text for record in records if record is not None for text in _section(record)]
    return before + "\n\n".join([BEGIN, *parts]) + "\n\n" + after


def _section(record: ReproductionRecord) -> Iterator[str]:
    """Paragraphs of a record: what it rests on, and a table; a sentence for one of single runs."""
    first = next((claim for claim in record.claims if claim.replicates > 1), None)
    if first is None:
        yield _wrapped(
            f"The record of `{record.dataset}` is of single runs: its verdicts, above, are of points. `tgsh "
            f"reproduce --dataset {record.dataset}` makes intervals of it."
        )
        return
    replicates = record.experiments[0].replicates
    seeds, bases = ({getattr(each, name) for each in replicates} for name in ("seed", "base_seed"))
    verdicts = Counter(claim.verdict for claim in record.claims)
    counts = ", ".join(f"{count} {verdict}" for verdict in VERDICTS if (count := verdicts[verdict]))
    yield _wrapped(
        f"On `{record.dataset}`, {len(seeds)} seeds on {len(bases)} random bases, {first.replicates} runs of "
        f"each experiment: means, the sd of a single run, and {first.level or 0:.0%} intervals over "
        f"{SOURCES[first.over or 'both']}. {len(record.claims)} claims: {counts}."
    )
    yield "\n".join(_table(record))


def _table(record: ReproductionRecord) -> Iterator[str]:
    yield "|claim, experiment|number|needed|mean|sd|interval|untrained|verdict|"
    yield "|---|---|---|--:|--:|--:|--:|---|"
    last = ""
    for claim in record.claims:
        text = claim.text.partition(" (")[0]
        if text != last:  # a row of its own: lines of the guide are short
            yield f"|**{text}**{'|' * 8}"
        for place, quantity in enumerate(claim.quantities):
            control = claim.control[place] if claim.control else None
            is_first = place == 0
            cells = (
                _subject(claim) if is_first else "",
                quantity.name,
                quantity.needed,
                _number(quantity.mean, quantity),
                _number(quantity.sd, quantity),
                _interval(quantity),
                _number(control.mean, quantity) if control else "—",
                VERDICTS[claim.verdict] if is_first else "",
            )
            yield f"|{'|'.join(cells)}|"
        last = text


def _subject(claim: ClaimResult) -> str:
    """What a claim is about, as the other tables have it."""
    subjects = re.sub(r", \d+ epochs?", "", claim.subject).split("; ")
    return "; ".join(
        f"{NETWORKS[name]}, {rest}" for name, _, rest in (each.partition(", ") for each in subjects)
    )


def _number(value: float | None, quantity: QuantityResult) -> str:
    return "—" if value is None else number(value, _digits(quantity))


def _interval(quantity: QuantityResult) -> str:
    if quantity.low is None or quantity.high is None:
        return "—"
    return f"{number(quantity.low, _digits(quantity))} to {number(quantity.high, _digits(quantity))}"


def _digits(quantity: QuantityResult) -> int:
    """One of counts, which have a bound of two or more; else three."""
    bound = max(abs(each) for each in (quantity.least, quantity.most, 0.0) if each is not None)
    return 1 if bound >= 2 else 3


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def main() -> None:
    """Write the page."""
    TARGET.write_text(generate(TARGET.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
