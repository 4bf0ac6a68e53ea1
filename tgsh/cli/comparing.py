"""`tgsh compare`: experiments side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tgsh.cli.connecting import connect, resolve
from tgsh.cli.documents import print_json
from tgsh.cli.options import Json, Url

if TYPE_CHECKING:
    from tgsh.schemas import ComparedPair, Comparison

Ids = Annotated[list[str], typer.Argument(metavar="ID ID [ID …]", help="Two to six, or their beginnings.")]


def compare(
    experiment_ids: Ids,
    stage: Annotated[str, typer.Option(help="after, before, or the number of an epoch.")] = "after",
    measure: Annotated[str, typer.Option(help="cosine or correlation.")] = "cosine",
    layer: Annotated[str | None, typer.Option(help="One layer's part only, such as layer-1.")] = None,
    permutations: Annotated[int, typer.Option(help="Of Mantel's test.")] = 999,
    alternative: Annotated[str, typer.Option(help="greater, less or two-sided.")] = "greater",
    seed: Annotated[int, typer.Option(help="Decides the permutations.")] = 0,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Compare experiments: what differs in their specs, and whether their similarities agree."""
    with connect(url) as client:
        ids = [resolve(client, each) for each in experiment_ids]
        found = client.comparison(
            ids,
            stage,
            measure,  # type: ignore[arg-type]  # the service judges it
            layer,
            permutations,
            alternative,  # type: ignore[arg-type]
            seed,
        )
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: Comparison) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    console = Console()
    ids = [each.id for each in found.experiments]
    specs = Table("", *ids, box=box.SIMPLE_HEAD, pad_edge=False)
    specs.add_row("name", *(Text(each.name) for each in found.experiments))
    specs.add_row("status", *(each.status for each in found.experiments))
    specs.add_row("accuracy", *(_number(each.mean_accuracy) for each in found.experiments))
    for difference in found.differences:
        specs.add_row(Text(difference.field), *(Text(_value(value)) for value in difference.values))
    console.print(specs)
    ends = (Column("", no_wrap=True), Column("", no_wrap=True))
    pairs = Table(
        *ends, "tasks", "pearson", "spearman", "Mantel p", "same task", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for pair in found.pairs:
        pairs.add_row(pair.a, pair.b, str(pair.tasks), *_agreement(pair))
    console.print(pairs)
    if found.pairs and (test := found.pairs[0].mantel) is not None:
        typer.echo(
            f"{found.measure} similarities, stage {found.stage}; Mantel: {test.alternative}, "
            f"{test.permutations} permutations, seed {test.seed}; "
            "same task: mean similarity of its two vectors, where the base is the same"
        )


def _agreement(pair: ComparedPair) -> tuple[str, ...]:
    p_value = "" if pair.mantel is None else f"{pair.mantel.p_value:.4g}"
    same = "" if pair.same_task is None else _number(pair.same_task.mean)
    return _number(pair.pearson), _number(pair.spearman), p_value, same


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
