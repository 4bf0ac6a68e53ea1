"""The command demo: everything once on real digits, told as a story."""

from __future__ import annotations

import os
import shutil
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tgsh.cli.errors import WorkFailed
from tgsh.cli.options import DEFAULT_HOME, Home, Json, Workers
from tgsh.cli.output import message_printer, print_json
from tgsh.errors import InvalidSpec, MachineProblem, ServiceUnreachable, TgshError

if TYPE_CHECKING:
    from tgsh.cli.output import Display
    from tgsh.client import Client
    from tgsh.schemas import Experiment, Similarity
    from tgsh.settings import StoreSettings
    from tgsh.stack.processes import StopSignals
    from tgsh.stack.stack import Stack
    from tgsh.store.database import Database

PRESET: Literal["demo"] = "demo"

WIDTH = 80
"""Characters of a line, at most; paths and commands are never cut."""

POLL_SECONDS = 0.2

ROOM = 320 * 2**20
"""Bytes that must be free: a service with 256 MiB is not ready, and the demo writes less than 64."""

FULL = 4 * 2**20
"""Bytes below which a disk counts as full: whatever is left is gone with the next checkpoint."""

DEFAULT_PORT = 8000


def demo(
    home: Home = DEFAULT_HOME,
    workers: Workers = None,
    output: Annotated[
        Path, typer.Option("--output", help="Folder for similarity.png and similarity.csv.")
    ] = Path(),
    as_json: Json = False,
) -> None:
    """Do all of it once, on real digits: start, learn 36 rotations, tell what was found, stop."""
    from tgsh.stack.processes import StopSignals

    story = Story(as_json)
    run = _DemoRun(home, workers, output)
    try:
        with StopSignals() as signals:
            summary = _perform(run, story, signals)
    except KeyboardInterrupt:
        story.tell("", _stopped_text(run))
        raise
    except TgshError as error:
        if not as_json and isinstance(error, MachineProblem):
            raise MachineProblem(wrap(str(error))) from error
        raise
    if as_json:
        print_json(summary)


@dataclass
class _DemoRun:
    """Options of a demo, and how far it came. fraction: of the epochs, learned."""

    home: Path
    workers: int | None
    output: Path
    is_started: bool = False
    fraction: float = 0.0
    is_learned: bool = False


class Story:
    """Paragraphs for a person, on standard error where standard output is one JSON document."""

    def __init__(self, as_json: bool) -> None:
        self._print = message_printer(as_json)

    def tell(self, *paragraphs: str) -> None:
        """Print paragraphs, wrapped; lines that begin with a space (paths, commands) stay as they are."""
        for paragraph in paragraphs:
            self._print(wrap(paragraph))


def wrap(text: str) -> str:
    """Text in lines of at most WIDTH characters, or of the terminal; indented lines stay as they are."""
    width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    return "\n".join(
        line
        if line.startswith(" ")
        else textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )


def _perform(run: _DemoRun, story: Story, signals: StopSignals) -> dict[str, Any]:
    """Tell and do all of it; the summary as a document."""
    from tgsh.client import Client
    from tgsh.settings import StoreSettings
    from tgsh.stack.stack import Stack

    _require_writable(run.output)
    _require_room(run.home)
    records = _Records(StoreSettings(home=run.home), signals)

    def tell_start(_: str) -> None:
        run.is_started = True
        story.tell(*_opening(run))

    try:
        with Stack(
            run.home, workers=run.workers, say=tell_start, signals=signals, jobs_held=records.are_jobs_held
        ) as stack:
            story.tell(f"It runs. Its page, until the end: {stack.url}/", "")
            records.give_back()  # of a demo that ended by a power cut
            try:
                with Client(stack.url, key=stack.key) as client:
                    earlier, experiment = _submit(client, story, run)
                    ended = _learn(client, stack, experiment, run, signals)
                    findings = _Findings.of(client.similarity(ended.id))
                    comparison = None if earlier is None else _Comparison.of(records, client, earlier, ended)
                    story.tell("", *findings.paragraphs(ended), "")
                    if comparison is not None:
                        story.tell(comparison.paragraph(), "")
                    files = _write_files(client, ended, run.output, signals)
                    story.tell("The picture of all similarities, and the numbers as a table:")
                    story.tell(*(f"  {path.absolute()}" for path in files), "")
            except KeyboardInterrupt:
                story.tell("", "Stopping …")
                raise
    finally:
        records.give_back()
    story.tell("Everything is stopped. What next:", *_next_steps(run.home))
    return {
        "experiment": ended.model_dump(mode="json"),
        "neighbours": findings.neighbours,
        "tasks": len(findings.labels),
        "others": findings.others,
        "similarity": {"neighbours": findings.nearby, "quarter_turn": findings.quarter},
        "earlier": None if comparison is None else comparison.document(),
        "files": [str(path) for path in files],
    }


def _opening(run: _DemoRun) -> list[str]:
    """Paragraphs about what is started, and where the data lies."""
    from tgsh.system import cores

    if run.workers is not None:
        workers = f"{run.workers} worker" + ("s" if run.workers > 1 else "")
    elif os.environ.get("TGSH_DEVICES") or shutil.which("nvidia-smi"):
        workers = "a worker for each GPU or core"
    else:
        workers = f"{cores()} workers, one a core" if cores() > 1 else "a worker"
    return [
        "Do tasks that are alike come to be alike in what a network learns of them?",
        "",
        f"Starting a Redis-compatible server, the API and {workers} …",
        "All data lies in",
        f"  {run.home.absolute()}",
    ]


def _submit(client: Client, story: Story, run: _DemoRun) -> tuple[Experiment | None, Experiment]:
    """The newest demo that was completed here, and the one to learn: an unfinished one, else a new one."""
    from tgsh.schemas import TERMINAL
    from tgsh.specs.presets import PRESETS

    digest = PRESETS[PRESET].digest()
    here = [experiment for experiment in client.experiments(tag=PRESET) if experiment.digest == digest]
    completed = [experiment for experiment in here if experiment.status == "completed"]
    unfinished = next((experiment for experiment in here if experiment.status not in TERMINAL), None)
    earlier = completed[0] if completed else None
    if earlier is not None:
        times = "" if len(completed) == 1 else f" {len(completed)} times, last"
        story.tell(
            f"The demo ran here before,{times} on {_date(earlier)}, with mean accuracy {_mean(earlier)}."
        )
    if unfinished is None:
        if earlier is not None:
            story.tell("This run trains anew: the same bytes are to come of it.")
        experiment: Experiment = client.submit(PRESET, anew=True)  # it shows that this machine can, each time
    else:
        experiment = unfinished
        story.tell(f"Going on with the demo that was stopped at {experiment.progress.fraction:.0%}")
    run.fraction = experiment.progress.fraction
    epochs, tasks = experiment.spec.training.epochs, experiment.progress.tasks_total
    story.tell(
        f"Learning {tasks} rotations of 5,000 handwritten digits, {epochs} epochs each. The network's "
        "weights are random and never change: of each rotation only a context vector is learned.",
        "",
    )
    return earlier, experiment


def _learn(
    client: Client, stack: Stack, experiment: Experiment, run: _DemoRun, signals: StopSignals
) -> Experiment:
    """Show a bar until the experiment has ended. Raises: WorkFailed unless it was completed."""
    from tgsh.cli.output import display
    from tgsh.schemas import TERMINAL

    with _shown(display(""), signals) as bar:
        while True:
            bar.update(experiment.progress)
            run.fraction = experiment.progress.fraction
            if experiment.status in TERMINAL:
                break
            time.sleep(POLL_SECONDS)
            stack.check()
            if shutil.disk_usage(stack.home.path).free < FULL:
                raise MachineProblem(
                    f"the disk is full on which {stack.home.path} lies: make room there, then run the demo "
                    "again; it goes on. Everything is stopped."
                )
            try:
                experiment = client.get(experiment.id)
            except ServiceUnreachable:
                stack.check()
                raise
    if experiment.status != "completed":
        reason = f": {experiment.reason}" if experiment.reason else ""
        raise WorkFailed(
            wrap(f"the demo {experiment.status}{reason}\nEverything is stopped. Logs:")
            + f"\n  {stack.home.logs}"
        )
    run.is_learned = True
    return experiment


@contextmanager
def _shown(progress_display: Display, signals: StopSignals) -> Iterator[Display]:
    """A display whose start and end no signal interrupts: a terminal's cursor would stay hidden."""
    with signals.deferred():
        progress_display.__enter__()
    try:
        yield progress_display
    finally:
        with signals.deferred():
            progress_display.__exit__(None, None, None)


@dataclass
class _Findings:
    """Nearest neighbours and mean similarities in a matrix of rotations.

    others: rotations that are most like one that is no neighbour, and which. nearby, quarter: mean
    similarity of neighbours and of rotations a quarter turn apart.
    """

    labels: list[str]
    nearby: float
    quarter: float
    others: dict[str, str] = field(default_factory=dict)

    @property
    def neighbours(self) -> int:
        """Number of rotations that are most like the one before or after, around the circle."""
        return len(self.labels) - len(self.others)

    @classmethod
    def of(cls, matrix: Similarity) -> _Findings:
        count, values = len(matrix.values), matrix.values
        found = cls(list(matrix.labels), _mean_apart(values, 1), _mean_apart(values, count // 4))
        for row, similarities in enumerate(values):
            others = [column for column in range(count) if column != row]
            best = max(others, key=lambda column: similarities[column], default=row)
            if (best - row) % count not in {1, count - 1}:
                found.others[matrix.labels[row]] = matrix.labels[best]
        return found

    def paragraphs(self, experiment: Experiment) -> list[str]:
        """The findings in words."""
        count = len(self.labels)
        step = self.labels[1] if count > 1 else "0°"
        if not self.others:
            neighbours = (
                f"each of {count} rotations is most like its neighbours, {step} away: {count} of {count}."
            )
        else:
            exceptions = ", ".join(f"{label} (most like {other})" for label, other in self.others.items())
            neighbours = (
                f"{self.neighbours} of {count} rotations are most like a neighbour, {step} away. "
                f"These are not: {exceptions}."
            )
        return [
            f"Found: {neighbours}",
            "How alike two of them are, where 1 is the same and 0 nothing in common: neighbours "
            f"{self.nearby:.2f}, rotations 90° apart {self.quarter:.2f}, on average.",
            f"The network tells {_mean(experiment)} of the test digits right, on average over the rotations.",
        ]


def _mean_apart(values: list[list[float]], steps: int) -> float:
    """Mean similarity of tasks that are so many steps apart, around the circle."""
    count = len(values)
    return sum(values[row][(row + steps) % count] for row in range(count)) / count if count else 0.0


@dataclass
class _Comparison:
    """This run beside an earlier one. differs: conditions of the bytes, each then and now."""

    earlier: Experiment
    sha256: str
    same: bool
    differs: dict[str, tuple[str, str]]

    @classmethod
    def of(cls, records: _Records, client: Client, earlier: Experiment, ended: Experiment) -> _Comparison:
        """Compare by the SHA-256 of all context vectors, of every epoch."""
        then, now = records.vectors_sha256(earlier.id), records.vectors_sha256(ended.id)
        if then == now:
            return cls(earlier, now, True, {})
        before, after = (records.conditions(client, experiment) for experiment in (earlier, ended))
        names = dict.fromkeys((*before, *after))
        pairs = {name: (before.get(name, "none"), after.get(name, "none")) for name in names}
        return cls(earlier, now, False, {name: pair for name, pair in pairs.items() if pair[0] != pair[1]})

    def paragraph(self) -> str:
        """The comparison in words."""
        begin = f"Compared with the run of {_date(self.earlier)}:"
        if self.same:
            return f"{begin} the same to the last bit (SHA-256 of all context vectors {self.sha256[:16]}…)."
        if self.differs:
            causes = "\n".join(f"  {name}: {then}, now {now}" for name, (then, now) in self.differs.items())
            return f"{begin} not the same bytes, as they depend on these, which differ:\n{causes}"
        return (
            f"{begin} not the same bytes, though versions, code path and processor are the same. "
            "That is an error of tgsh: please report it."
        )

    def document(self) -> dict[str, Any]:
        """The comparison as a JSON value."""
        return {
            "id": self.earlier.id,
            "finished_at": self.earlier.timings.finished_at,
            "mean_accuracy": self.earlier.mean_accuracy,
            "same_bytes": self.same,
            "differs": {name: list(pair) for name, pair in self.differs.items()},
        }


class _Records:
    """The records of a home: leases of its workers, and digests of results."""

    def __init__(self, settings: StoreSettings, signals: StopSignals) -> None:
        self._settings = settings
        self._signals = signals
        self._database: Database | None = None

    def are_jobs_held(self) -> bool:
        """True if a worker holds a job, and where the database cannot tell."""
        if not self._is_made():
            return False
        try:
            from tgsh.store.leases import lease_holders  # takes long to import: only where there may be some

            return bool(lease_holders(self._open()))
        except Exception:  # whatever the database has: then the workers have their time
            return True

    def give_back(self) -> None:
        """Give back what workers held that were killed, so that the next run need not wait for it."""
        if not self._is_made():
            return
        import socket
        from contextlib import suppress

        from tgsh.stack.processes import is_running

        with self._signals.deferred():  # an import that is cut off leaves broken modules, needed for the stop
            from tgsh.store.leases import release_ended

        with suppress(Exception):  # then the leases run out by themselves
            release_ended(self._open(), socket.gethostname(), is_running)

    def vectors_sha256(self, experiment_id: str) -> str:
        """SHA-256 of the context vectors of all epochs."""
        from tgsh.store.results import find_stage

        [(_, sha256)] = find_stage(self._open(), experiment_id, "after").sources
        return sha256

    def conditions(self, client: Client, experiment: Experiment) -> dict[str, str]:
        """Conditions of the bytes beside the spec: versions, code path, machine."""
        from tgsh.store.artifacts import Artifacts
        from tgsh.store.results import task_origins

        origins = task_origins(self._open(), Artifacts(self._settings.artifacts), experiment.id) or []
        compute = {str(task.compute) for task in client.tasks(experiment.id)}
        return {
            **experiment.versions,
            "code path": "; ".join(sorted(compute)),
            "machine": "; ".join(sorted({str(origin["machine"]) for origin in origins})),
        }

    def _is_made(self) -> bool:
        settings = self._settings
        return settings.database_url is not None or (settings.home / "tgsh.db").exists()

    def _open(self) -> Database:
        from tgsh.store.database import Database

        if self._database is None:
            self._database = Database(self._settings.database)
        return self._database


def _write_files(client: Client, experiment: Experiment, output: Path, signals: StopSignals) -> list[Path]:
    """Write picture and table, both or, if a signal comes before, none; their paths."""
    from tgsh.cli.results import write_atomically

    files = [output / f"similarity.{ending}" for ending in ("png", "csv")]
    contents = [client.fetch(experiment.id, "similarity", format=path.suffix[1:]) for path in files]
    with signals.deferred():
        for path, content in zip(files, contents, strict=True):
            write_atomically(path, content)
    return files


def _require_writable(output: Path) -> None:
    """Raise InvalidSpec where the results could not be written at the end."""
    folder = _existing(output)
    if not folder.is_dir():
        raise InvalidSpec("--output", f"{folder} is no folder; choose another one")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidSpec("--output", f"{folder} cannot be written to; choose another folder")


def _require_room(home: Path) -> None:
    """Raise MachineProblem where HOME cannot be, or its disk is too full."""
    folder = _existing(home)
    if not folder.is_dir():
        raise MachineProblem(
            f"cannot use {home.absolute()}: {folder} is no folder; choose another with --home"
        )
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise MachineProblem(
            f"the demo needs {ROOM >> 20} MB of disk, and {free >> 20} MB are free in {folder}: "
            "make room there, or choose another folder with --home"
        )


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that there is."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _next_steps(home: Path) -> list[str]:
    """Commands to try next on this machine, each with its purpose below it."""
    from tgsh.datasets.downloads import missing_files
    from tgsh.settings import StoreSettings

    port, arguments = _free_port()
    if home.absolute() != Path(os.environ.get("TGSH_HOME") or DEFAULT_HOME).absolute():
        arguments = f" --home {home}{arguments}"
    folder = StoreSettings(home=home).data
    if missing_files("mnist", folder):
        again = [
            "  tgsh submit shift-mnist-1px --dataset mnist5k --watch",
            "      in a second terminal: shifted digits in place of rotated ones",
            "  tgsh submit rotation-mnist --watch",
            "      the same with the 70,000 digits of MNIST, whose four files are looked for in",
            f"      {folder / 'MNIST' / 'raw'}",
        ]
    else:
        again = [
            "  tgsh submit rotation-mnist --watch",
            "      in a second terminal: the same with the 70,000 digits of MNIST",
        ]
    return [
        f"  tgsh up{arguments}",
        f"      start all of it to stay; then open http://127.0.0.1:{port}/",
        *again,
    ]


def _free_port() -> tuple[int, str]:
    """A port for `tgsh up`, and its option where it is not the default."""
    from tgsh.stack.redis import require_free

    default = int(os.environ.get("TGSH_PORT") or DEFAULT_PORT)
    for port in range(default, default + 10):
        try:
            require_free("127.0.0.1", port)
        except MachineProblem:
            continue
        return port, "" if port == default else f" --port {port}"
    return default, ""


def _stopped_text(run: _DemoRun) -> str:
    """The last words of a demo that was interrupted."""
    if not run.is_started:
        return "Everything is stopped; nothing was started yet."
    if not run.fraction:
        return "Everything is stopped; this run has learned nothing yet."
    if run.is_learned:
        return "Everything is stopped. All was learned, but the picture not written: run `tgsh demo` again."
    return "Everything is stopped. What was learned is kept: the next `tgsh demo` goes on with it."


def _date(experiment: Experiment) -> str:
    finished_at = experiment.timings.finished_at
    return f"{finished_at.astimezone():%Y-%m-%d at %H:%M}" if finished_at else "an unknown date"


def _mean(experiment: Experiment) -> str:
    return "unknown" if experiment.mean_accuracy is None else f"{experiment.mean_accuracy:.1%}"
