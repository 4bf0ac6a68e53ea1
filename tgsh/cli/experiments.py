"""Commands on experiments: submit, list, show, compare and others; workers and catalog."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tgsh.cli.errors import WorkFailed
from tgsh.cli.options import Dataset, Id, Json, Spec, Url, complete_experiments, connect
from tgsh.cli.output import print_json, print_warnings
from tgsh.errors import InvalidSpec

if TYPE_CHECKING:
    from tgsh.client import Client
    from tgsh.schemas import Agreement, Estimate, Experiment


Ids = Annotated[
    list[str],
    typer.Argument(metavar="ID", help="Ids of experiments and studies, or their beginnings; ID:1 is a cell."),
]


def submit(
    spec: Spec,
    dataset: Dataset = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay and show progress to the end.")] = False,
    shared: Annotated[bool, typer.Option("--shared", help="Let everybody with a key see it.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Train it though it was computed before.")] = False,
    priority: Annotated[
        int | None, typer.Option(min=-10, max=10, help="Among your own experiments the greater goes first.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Changes the spec, such as training.epochs=5."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Changes the seed.")] = None,
    name: Annotated[str | None, typer.Option(help="Its name.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be repeated.")] = None,
    project: Annotated[str | None, typer.Option(help="What it belongs to.")] = None,
    notes: Annotated[str | None, typer.Option(help="Markdown.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Submit an experiment: a spec file, - for standard input, a preset, or the id of one to do again."""
    from tgsh.cli.options import dataset_reference, parse_changes, read_body

    fields = parse_changes(changes)
    fields |= {
        key: value for key, value in (("seed", seed), ("name", name), ("tags", tag)) if value is not None
    }
    with connect(url) as client:
        if dataset is not None:
            fields["dataset"] = dataset_reference(dataset, client)
        experiment = client.submit(
            read_body(spec, client),
            shared=shared or None,
            anew=anew,
            priority=priority,
            notes=notes,
            project=project,
            **fields,
        )
        if experiment.stored_answer:
            typer.echo(_stored_text(experiment), err=as_json)
        elif watch:
            typer.echo(f"Submitted {experiment.id}", err=as_json)
        if watch:
            _watch(client, experiment, as_json)
        elif as_json:
            print_json(experiment)
        elif not experiment.stored_answer:
            tasks = experiment.progress.tasks_total
            typer.echo(f"Submitted {experiment.id}: {experiment.spec.title}, {tasks} tasks")
            typer.echo(f"Follow it with: tgsh watch {experiment.id[:6]}, or tgsh open {experiment.id[:6]}")


def list_(
    status: Annotated[
        str | None, typer.Option(help="queued, running, completed, failed or cancelled.")
    ] = None,
    suite: Annotated[str | None, typer.Option(help="Such as rotation.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Such as mnist.")] = None,
    network: Annotated[str | None, typer.Option(help="Such as flynet.")] = None,
    tag: Annotated[str | None, typer.Option(help="Has this tag.")] = None,
    study: Annotated[
        str | None, typer.Option(help="Belongs to the study of this id, or of its beginning.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Belongs to it.")] = None,
    owner: Annotated[str | None, typer.Option(help="Submitted by this key.")] = None,
    after: Annotated[str | None, typer.Option(help="Submitted since this date, such as 2026-11-28.")] = None,
    before: Annotated[str | None, typer.Option(help="Submitted before this date.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="A field of the spec: training.epochs=5."),
    ] = None,
    q: Annotated[
        str | None, typer.Option("--search", "-q", help="Looked for in name, tags, notes, project and id.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 50,
    columns: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Show these: name,accuracy,seed,training.epochs."),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Means and deviations by project, study, tag, training.epochs and more"
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List experiments, newest first, or groups of them."""
    from itertools import islice

    from tgsh.cli.options import parse_changes
    from tgsh.cli.tables import print_experiments

    filters = {
        "status": status,
        "suite": suite,
        "dataset": dataset,
        "network": network,
        "tag": tag,
        "study": study,
        "project": project,
        "owner": owner,
        "created_after": after,
        "created_before": before,
        "q": q,
        **parse_changes(where),
    }
    if group_by is not None or columns is not None:
        _list_table(filters, columns, group_by, limit, as_json, url)
        return
    with connect(url) as client:
        matches = client.experiments(**filters)
        page = list(islice(matches, limit + 1))
    if as_json:
        print_json([experiment.model_dump(mode="json") for experiment in page[:limit]])
    elif page:
        print_experiments(page[:limit])
        if len(page) > limit:
            typer.echo(f"There are more: --limit {limit * 2}", err=True)
    elif any(filters.values()):
        typer.echo("No experiment fits. Without filters, `tgsh list` shows them all.")
    else:
        typer.echo("No experiments yet. Submit the first one with: tgsh submit demo --watch")


def _list_table(
    filters: dict[str, Any],
    columns: str | None,
    group_by: str | None,
    limit: int,
    as_json: bool,
    url: str | None,
) -> None:
    """Print chosen columns of experiments, or groups of them."""
    from tgsh.cli.tables import print_cells

    names = None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]
    with connect(url) as client:
        table = client.table(names, group_by=group_by, **filters)
    if as_json:
        print_json(table)
        return
    print_cells(table.columns, table.rows[:limit])
    if len(table.rows) > limit:
        typer.echo(f"There are more: --limit {limit * 2}", err=True)


def show(experiment_id: Id, as_json: Json = False, url: Url = None) -> None:
    """Show an experiment and its tasks."""
    from tgsh.cli.tables import print_experiment

    with connect(url) as client:
        experiment = client.get(experiment_id)
        print_warnings([*experiment.warnings, *client.accuracy(experiment.id).warnings])
        if as_json:
            print_json(experiment)
        else:
            print_experiment(experiment, client.tasks(experiment.id))


def open_(
    experiment_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]",
            help="The experiment's id, or the beginning of it; default: the dashboard.",
            autocompletion=complete_experiments,
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Open the dashboard, or an experiment's page, in a browser; where there is none, print its URL."""
    import webbrowser

    with connect(url) as client:
        page = f"{client.url}/"
        if experiment_id is None:
            client.ready()  # a page that nobody serves need not be opened
        else:
            page = client.get(experiment_id).url
    opened = webbrowser.open(page)
    if as_json:
        print_json({"url": page, "opened": opened})
    else:
        typer.echo(page)


def cancel(experiment_id: Id, as_json: Json = False, url: Url = None) -> None:
    """Cancel an experiment; what was learned is kept."""
    with connect(url) as client:
        experiment = client.cancel(experiment_id)
    if as_json:
        print_json(experiment)
        return
    typer.echo(f"Cancelling {experiment.id}. Go on with it any time: tgsh resume {experiment.id[:6]}")


def resume(experiment_id: Id, as_json: Json = False, url: Url = None) -> None:
    """Train what is missing of a failed or cancelled experiment."""
    with connect(url) as client:
        experiment = client.resume(experiment_id)
    if as_json:
        print_json(experiment)
        return
    typer.echo(f"Resumed {experiment.id}. Follow it with: tgsh watch {experiment.id[:6]}")


def estimate(spec: Spec, dataset: Dataset = None, as_json: Json = False, url: Url = None) -> None:
    """Tell what an experiment would cost, without submitting it."""
    from tgsh.cli.options import override_dataset, read_body

    body = read_body(spec)
    with connect(url) as client:
        estimate = client.estimate(override_dataset(body, dataset, client))
    if as_json:
        print_json(estimate)
    else:
        typer.echo(_estimate_text(estimate))


def compare(
    experiment_ids: Ids,
    stage: Annotated[str, typer.Option(help="after, before, or the number of an epoch.")] = "after",
    measure: Annotated[str, typer.Option(help="cosine, correlation or update (of v − v₀).")] = "cosine",
    layer: Annotated[str | None, typer.Option(help="One layer's part only, such as layer-1.")] = None,
    permutations: Annotated[
        int | None, typer.Option(help="Of Mantel's test; 999, or no test where that takes too long.")
    ] = None,
    alternative: Annotated[str, typer.Option(help="greater, less or two-sided.")] = "greater",
    seed: Annotated[int, typer.Option(help="Decides the permutations.")] = 0,
    level: Annotated[float, typer.Option(help="Of studies: they differ at p up to 1 - level.")] = 0.95,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write a file instead: .svg, .pdf, .png or .csv."),
    ] = None,
    part: Annotated[
        str, typer.Option(help="Of the file: matrices, correlations, difference, or specs (csv).")
    ] = "matrices",
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Compare experiments and studies: what differs in their specs, and whether their similarities agree."""
    from tgsh.cli.results import write_atomically
    from tgsh.cli.tables import print_comparison

    with connect(url) as client:
        if output is not None:
            content = client.comparison_file(
                experiment_ids,
                output.suffix.removeprefix(".").lower(),
                part=part,  # type: ignore[arg-type]
                stage=stage,
                measure=measure,
                layer=layer,
                permutations=permutations,
                alternative=alternative,
                seed=seed,
                level=level,
            )
            write_atomically(output, content)
            if as_json:
                print_json({"file": output, "bytes": len(content)})
            else:
                typer.echo(f"{output} ({len(content):,} bytes)", err=True)
            return
        comparison = client.comparison(
            experiment_ids,
            stage,
            measure,  # type: ignore[arg-type]  # the service judges it
            layer,
            permutations,
            alternative,  # type: ignore[arg-type]
            seed,
            level,
        )
    print_warnings(comparison.warnings)
    if as_json:
        print_json(comparison)
    else:
        print_comparison(comparison)


def agree(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Of an experiment or a study, or the beginning of it.",
            autocompletion=complete_experiments,
        ),
    ],
    geometry: Annotated[
        str,
        typer.Argument(help="circular(angle), abs(shift), same(transform); a matrix (.csv, .npy); or an id."),
    ],
    partial: Annotated[str | None, typer.Option(help="Another geometry, which is held constant.")] = None,
    correlation: Annotated[str, typer.Option(help="pearson, spearman, kendall or cosine.")] = "pearson",
    stage: Annotated[str, typer.Option(help="after, before, or the number of an epoch.")] = "after",
    measure: Annotated[str, typer.Option(help="cosine, correlation or update (of v − v₀).")] = "cosine",
    layer: Annotated[str | None, typer.Option(help="One layer's part only, such as layer-1.")] = None,
    permutations: Annotated[int, typer.Option(help="Of the tasks.")] = 9_999,
    alternative: Annotated[str, typer.Option(help="greater, less or two-sided.")] = "greater",
    seed: Annotated[int, typer.Option(help="Decides the permutations.")] = 0,
    cell: Annotated[
        int | None, typer.Option(min=0, help="Of a study: the cell, where it has several.")
    ] = None,
    over: Annotated[
        str | None, typer.Option(help="Of a study: seeds, base_seeds or both; default: what varies.")
    ] = None,
    level: Annotated[float | None, typer.Option(help="Of a study: confidence of the interval; 0.95.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Correlate the similarities of an experiment, or of a study's replicates, with a geometry of yours."""
    from tgsh.cli.options import read_geometry
    from tgsh.cli.tables import print_agreement

    question: dict[str, Any] = {
        "partial": None if partial is None else read_geometry(partial),
        "stage": stage,
        "measure": measure,
        "layer": layer,
        "correlation": correlation,
        "permutations": permutations,
        "alternative": alternative,
        "seed": seed,
    }
    stated = read_geometry(geometry)
    options: dict[str, Any] = {"cell": cell, "over": over, "level": level}
    of_study = {name: value for name, value in options.items() if value is not None}
    agreement: Agreement
    with connect(url) as client:
        kind, id = client.experiment_or_study_id(reference)
        if kind == "study":
            agreement = client.study_agreement(id, stated, **question, **of_study)
        elif of_study:
            option = f"--{next(iter(of_study))}"
            raise InvalidSpec(option, f"is of studies, and {id} is an experiment: it has no replicates")
        else:
            agreement = client.agreement(id, stated, **question)
    print_warnings(agreement.warnings)
    if as_json:
        print_json(agreement)
    else:
        print_agreement(agreement)


def workers(as_json: Json = False, url: Url = None) -> None:
    """Show who works on what, and what waits."""
    from tgsh.cli.tables import print_workers

    with connect(url) as client:
        workers = client.workers()
    if as_json:
        print_json(workers)
    else:
        print_workers(workers)


def catalog(as_json: Json = False, url: Url = None) -> None:
    """Show what can be asked for: datasets, suites, networks, presets."""
    from tgsh.cli.tables import print_catalog

    with connect(url) as client:
        entries = client.catalog()
    if as_json:
        print_json(entries)
    else:
        print_catalog(entries)


def exit_by_status(ended: Experiment, quiet: bool = False) -> None:
    """Print how an experiment ended. Raises: WorkFailed unless it was completed."""
    if ended.status != "completed":
        raise WorkFailed(f"{ended.id} {ended.status}" + (f": {ended.reason}" if ended.reason else ""))
    if not quiet:
        accuracy = "" if ended.mean_accuracy is None else f"Mean test accuracy {ended.mean_accuracy:.3f}"
        typer.echo(accuracy or f"{ended.id} completed")


def _watch(client: Client, experiment: Experiment, as_json: bool) -> None:
    """Follow an experiment to its end and exit by its status."""
    from tgsh.cli.output import follow

    try:
        ended = follow(client, experiment)
    except KeyboardInterrupt:
        typer.echo(f"The experiment goes on; watch it again with: tgsh watch {experiment.id[:6]}", err=True)
        raise
    if as_json:
        print_json(ended)
    exit_by_status(ended, quiet=as_json)


def _stored_text(experiment: Experiment) -> str:
    """Note that a submission was answered by an earlier experiment."""
    finished_at = experiment.timings.finished_at
    when = f" on {finished_at.astimezone():%Y-%m-%d at %H:%M}" if finished_at else ""
    return f"Already computed{when} as {experiment.id}; --anew trains it again"


def _estimate_text(estimate: Estimate) -> str:
    """Cost of an experiment, a line each for size, duration, queue and stored results."""
    from tgsh.cli.output import duration

    lines = [f"{estimate.tasks:,} tasks, {estimate.task_epochs:,} task-epochs"]
    if estimate.seconds is None:
        lines.append("No worker runs, so that nobody knows when; `tgsh up` starts some")
    else:
        basis = "as experiments like it took here" if estimate.basis == "measured" else "by typical speeds"
        lines.append(f"{duration(estimate.seconds)} on {estimate.workers} at a time, {basis}")
    if estimate.experiments_ahead:
        more = "" if estimate.queue_seconds is None else f": {duration(estimate.queue_seconds)} more"
        ahead = f"{estimate.experiments_ahead:,} other experiments wait or run"
        lines.append(f"{ahead}, {estimate.tasks_ahead:,} of their tasks come in between{more}")
    if estimate.stored is not None:
        lines.append(f"It was computed already: tgsh show {estimate.stored[:6]}")
    lines += [f"Warning: {warning}" for warning in estimate.warnings]
    return "\n".join(lines)
