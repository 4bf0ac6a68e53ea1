"""`tgsh`: the command line. Everything heavy is imported inside the commands: --help must be instant."""

from __future__ import annotations

import typer

from tgsh.cli import doctoring, experiments, fetching, keys, local, one_machine, reproducing, saving
from tgsh.cli.failing import FailingGroup

app = typer.Typer(
    cls=FailingGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How do learning tasks relate to one another? Start with: tgsh demo",
)

for panel, commands in {
    "On this machine": (
        one_machine.demo,
        one_machine.up,
        local.run,
        reproducing.reproduce,
        saving.backup,
        saving.restore,
        doctoring.doctor,
    ),
    "Experiments": (
        experiments.submit,
        experiments.watch,
        experiments.list_,
        experiments.show,
        experiments.cancel,
        experiments.resume,
        experiments.share,
        experiments.delete,
        fetching.fetch,
    ),
    "Other": (experiments.catalog, local.version),
}.items():
    for command in commands:
        app.command(command.__name__.rstrip("_"), rich_help_panel=panel)(command)
app.add_typer(keys.app, name="keys", rich_help_panel="On this machine")
