"""Typer application of the command `tgsh`."""

from __future__ import annotations

import typer

from tgsh.cli import datasets, demo, experiments, keys, machine, reproduce, results
from tgsh.cli.errors import EXIT_STATUS_HELP, ErrorHandlingGroup

app = typer.Typer(
    cls=ErrorHandlingGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How do learning tasks relate to one another? Start with: tgsh demo",
    epilog=EXIT_STATUS_HELP,
)

EXAMPLES = {
    "demo": ("tgsh demo --output results",),
    "up": ("tgsh up", "tgsh up --host 0.0.0.0 --port 8000 --home /srv/tgsh", "tgsh up --json | jq -r .url"),
    "run": ("tgsh run spec.json -o results", "tgsh run rotation-mnist --dataset mnist5k -o results"),
    "reproduce": ("tgsh reproduce", "tgsh reproduce --dataset mnist --figures-format pdf"),
    "backup": ("tgsh backup everything.tar",),
    "restore": ("tgsh restore everything.tar --home new-home",),
    "submit": ("tgsh submit rotation-mnist --watch", "tgsh submit spec.json --json | jq -r .id"),
    "watch": ("tgsh watch 4734",),
    "list": ("tgsh list --status running", "tgsh list --tag paper --json | jq -r '.[].id'"),
    "show": ("tgsh show 4734",),
    "open": ("tgsh open 4734",),
    "delete": ("tgsh delete 4734 --yes",),
    "fetch": (
        "tgsh fetch 4734 similarity -o similarity.png",
        "tgsh fetch 4734 similarity -o before.csv --stage before --order cluster",
        "tgsh fetch 4734 context-vectors -o vectors.npy",
    ),
}

for panel, commands in {
    "On this machine": (
        demo.demo,
        machine.up,
        machine.run,
        results.replay,
        reproduce.reproduce,
        machine.backup,
        machine.restore,
        machine.doctor,
    ),
    "Experiments": (
        experiments.estimate,
        experiments.submit,
        experiments.watch,
        experiments.list_,
        experiments.show,
        experiments.open_,
        experiments.cancel,
        experiments.resume,
        experiments.share,
        experiments.delete,
        results.fetch,
        experiments.compare,
        results.bundle,
    ),
    "Other": (experiments.workers, experiments.catalog, machine.version),
}.items():
    for command in commands:
        name = command.__name__.rstrip("_")
        examples = "\n\n".join(("For example:", *EXAMPLES[name])) if name in EXAMPLES else None
        app.command(name, rich_help_panel=panel, epilog=examples)(command)
app.add_typer(datasets.app, name="datasets", rich_help_panel="Experiments")
app.add_typer(keys.app, name="keys", rich_help_panel="On this machine")
