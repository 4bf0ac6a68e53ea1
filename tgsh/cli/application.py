"""Typer application of the command `tgsh`."""

from __future__ import annotations

from typing import Any

import typer

from tgsh.cli import (
    atlas,
    datasets,
    demo,
    deploy,
    experiments,
    keys,
    machine,
    notebook,
    placements,
    reports,
    reproduce,
    results,
    reuse,
    studies,
    watch,
    worker,
)
from tgsh.cli.errors import EXIT_STATUS_HELP, ErrorHandlingGroup

ABOUT_THE_SERVICE = ("doctor", "keys", "backup")
"""Commands about the service of this machine, which systemd may have started."""


class TgshGroup(ErrorHandlingGroup):
    """The commands; those about this machine's service have the settings of its units."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        has_home = any(word.partition("=")[0] == "--home" for word in args)
        if args and args[0] in ABOUT_THE_SERVICE and not has_home:
            from tgsh.settings import take_units_settings

            take_units_settings()  # before anything is parsed, as options have variables, too
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=TgshGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How do learning tasks relate to one another? Start with: tgsh demo",
    epilog=EXIT_STATUS_HELP,
)

EXAMPLES = {
    "demo": ("tgsh demo --output results",),
    "up": ("tgsh up", "tgsh up --host 0.0.0.0 --port 8000 --home /srv/tgsh", "tgsh up --json | jq -r .url"),
    "worker": ("tgsh worker", "tgsh worker --until-idle 10m --max-hours 12"),
    "run": ("tgsh run spec.json -o results", "tgsh run rotation-mnist --dataset mnist5k -o results"),
    "reproduce": ("tgsh reproduce --quick", "tgsh reproduce --dataset mnist --seeds 3 --base-seeds 3"),
    "backup": ("tgsh backup everything.tar",),
    "restore": ("tgsh restore everything.tar --home new-home",),
    "submit": (
        "tgsh submit rotation-mnist --watch",
        "tgsh submit 4734 --set training.epochs=5 --seed 1",
        "tgsh submit spec.json --json | jq -r .id",
    ),
    "study": (
        "tgsh study demo --seeds 5 --base-seeds 3 --grid training.epochs=1,3",
        "tgsh study spec.json --seeds 0,1,7 --dry-run",
    ),
    "watch": ("tgsh watch 4734", "tgsh watch 4734 a81c --then 'notify-send tgsh \"$TGSH_STATUS\"'"),
    "list": (
        "tgsh list --status running",
        "tgsh list --network neuromodnet --after 2026-11-28",
        "tgsh list --where training.epochs=5",
        "tgsh list --tag paper --json | jq -r '.[].id'",
    ),
    "show": ("tgsh show 4734",),
    "open": ("tgsh open 4734",),
    "agree": (
        'tgsh agree 4734 "circular(angle)"',
        'tgsh agree 4734 model.csv --partial "circular(angle)"',
        'tgsh agree 6a1f "circular(angle)" --over both',
    ),
    "infer": ("tgsh infer 4734 images.npy", "tgsh infer 4734 one.npy --rule blind-hash"),
    "transfer": ("tgsh transfer 4734",),
    "scenarios": ("tgsh scenarios 4734 --images 10",),
    "hashing": ("tgsh hashing 4734 --kind top-share --bits 64",),
    "nearest": ("tgsh nearest 4734 0", "tgsh nearest 4734 0 --other --suite shift"),
    "place": (
        "tgsh place 4734 leaves.npz",
        "tgsh place 4734 photos/ --classes nearest --size 28x28 --channels 1",
        "tgsh place 4734 --dataset kmnist --classes nearest --map map.png",
    ),
    "edit": ("tgsh edit 4734 --tag pilot", 'tgsh edit 4734 --notes "T7 is odd"'),
    "delete": ("tgsh delete 4734 --yes",),
    "undelete": ("tgsh undelete 4734",),
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
        worker.worker,
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
        studies.study,
        watch.watch,
        experiments.list_,
        experiments.show,
        experiments.open_,
        experiments.cancel,
        experiments.resume,
        notebook.edit,
        notebook.history,
        notebook.share,
        notebook.delete,
        notebook.deleted,
        notebook.undelete,
        results.fetch,
        placements.place,
        experiments.compare,
        experiments.agree,
        reuse.infer,
        reuse.transfer,
        reuse.scenarios,
        reuse.hashing,
        atlas.bases,
        atlas.nearest,
        results.bundle,
    ),
    "Other": (experiments.workers, experiments.catalog, machine.version),
}.items():
    for command in commands:
        name = command.__name__.rstrip("_")
        examples = "\n\n".join(("For example:", *EXAMPLES[name])) if name in EXAMPLES else None
        app.command(name, rich_help_panel=panel, epilog=examples)(command)
app.add_typer(studies.app, name="studies", rich_help_panel="Experiments")
app.add_typer(reports.app, name="report", rich_help_panel="Experiments")
app.add_typer(datasets.app, name="datasets", rich_help_panel="Experiments")
app.add_typer(keys.app, name="keys", rich_help_panel="On this machine")
app.add_typer(deploy.app, name="deploy", rich_help_panel="On this machine")
