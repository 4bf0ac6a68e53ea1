"""What Tab offers: asked of the service, which must answer at once; where it does not, nothing is offered."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tgsh.cli.connecting import connect, resolve

if TYPE_CHECKING:
    from tgsh.client import Client

PATIENCE = 0.5  # seconds
MOST = 50  # experiments, the newest
WITHOUT_RESULT = {"self", "events", "tasks"}
BELOW = ("similarity/block", "similarity/epochs", "similarity/nearest", "accuracy/matrix")
FIGURES = ("similarity", "dendrogram", "embedding", "geometry", "reconstructions", "accuracy")

Offers = list[tuple[str, str]]


def experiments(ctx: typer.Context, incomplete: str) -> Offers:
    """Ids, with status and name beside them."""

    def ask(client: Client) -> Offers:
        found = islice(client.experiments(page_size=MOST), MOST)
        return [(each.id, f"{each.status}, {each.spec.title}") for each in found]

    return _beginning(_asked(ctx, ask), incomplete)


def results(ctx: typer.Context, incomplete: str) -> Offers:
    """What the experiment before it on the line can answer."""

    def ask(client: Client) -> Offers:
        links = client.get(resolve(client, ctx.params["experiment_id"])).links
        names = [name for name in links if name not in WITHOUT_RESULT]
        names += [name for name in BELOW if name.partition("/")[0] in links]
        return [(name, "result") for name in sorted(names)]

    figures = [(f"figures/{name}", "figure") for name in FIGURES]
    return _beginning(_asked(ctx, ask) + figures, incomplete)


def specs(ctx: typer.Context, incomplete: str) -> Offers:
    """Presets, and files that may hold a spec."""

    def ask(client: Client) -> Offers:
        return [(preset.name, preset.description) for preset in client.catalog().presets]

    folder = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent)
    files = [(str(path), "file") for path in sorted(folder.glob("*.json"))]
    return _beginning(files + _asked(ctx, ask), incomplete)


def _asked(ctx: typer.Context, ask: Callable[[Client], Offers]) -> Offers:
    """Nothing where anything fails: an error must not be written into the line that is being typed."""
    try:
        with connect(ctx.params.get("url"), PATIENCE) as client:
            return ask(client)
    except Exception:
        return []


def _beginning(offers: Offers, incomplete: str) -> Offers:
    return [(name, about) for name, about in offers if name.startswith(incomplete)]
