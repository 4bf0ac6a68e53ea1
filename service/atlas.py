"""Index of learned tasks: sketches in memory, bounded; the nearest of those that a caller may see.

A scan of what the caller may see and nothing else, so that neither ranks nor times tell of the rest
(decision 10). Each process has its own, filled from the store as it is asked, and what is in it is found by
what the database says at that moment: nothing has to be told to it when experiments complete or are deleted.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from cachetools import LRUCache
from sqlalchemy.exc import SQLAlchemyError

from service.errors import Busy
from service.sketch_memory import SketchedPiece, SketchMemory, runs
from tgsh.analysis.sketches import best, estimates, most_alike, sketches
from tgsh.errors import ArtifactCorrupt, ArtifactMissing, NotFound, TgshError
from tgsh.store.artifacts import Artifacts
from tgsh.store.atlas import Piece, find_piece, load_piece, places_of, read_rows
from tgsh.store.database import Database
from tgsh.store.results import StageRef

log = logging.getLogger(__name__)

T = TypeVar("T")

CANDIDATES = 800
"""Tasks whose cosine is computed exactly, from their vectors: the best by their sketches."""

FIRST_CANDIDATES = 150
"""Of these, the ones that are enough where sketches tell the others from them with certainty."""

CERTAIN = 6.0
"""Deviations of a sketch's cosine that count as certain."""

PATIENCE_SECONDS = 15.0
"""For which a request reads what is not in memory yet; what it has read stays for the next."""

FEW_TASKS = 2_000
"""Of which all cosines are computed exactly."""

FILLED = 0.85
"""Share of the memory that one answer takes at most: chunks are not always full."""

MOST_DAMAGED = 10_000
"""Damaged pieces that are remembered."""

DAMAGE_SECONDS = 60.0
"""After which an answer without a damaged piece is out of date: it may have been restored."""

REPEATS = 3
"""Times that a search begins anew, as what it found was deleted or damaged meanwhile."""


@dataclass(frozen=True)
class TasksLeftOut:
    """A reason why learned tasks that the caller may see are not compared. experiment: None for several."""

    reason: str
    tasks: int
    experiment: str | None = None


@dataclass(frozen=True, eq=False)
class Gathered:
    """Pieces in memory, one after the other. starts: the first place of each."""

    pieces: tuple[Piece, ...]
    sketched: tuple[SketchedPiece, ...]
    starts: np.ndarray
    tasks: int
    left_out: tuple[TasksLeftOut, ...]


@dataclass(frozen=True)
class NearTask:
    """A task of another or the same experiment, and its cosine with what was asked for."""

    piece: Piece
    task: int
    label: str
    similarity: float


@dataclass(frozen=True, eq=False)
class Found:
    """The nearest tasks, most alike first, and what they were looked for in."""

    nearest: tuple[NearTask, ...]
    gathered: Gathered


class _PieceDamaged(Exception):
    """A piece in memory whose vectors cannot be read any more."""

    def __init__(self, piece: Piece, reason: str) -> None:
        super().__init__(reason)
        self.piece = piece


class TaskIndex:
    """Sketches of learned tasks by piece, those used last; at most `max_bytes` of them.

    patience: seconds for which a request reads what is not in memory yet.
    """

    def __init__(
        self, database: Database, artifacts: Artifacts, max_bytes: int, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._database, self._artifacts, self._max_bytes = database, artifacts, max_bytes
        self._patience = patience
        self._reader: threading.Thread | None = None
        self._closed = threading.Event()
        self._memory = SketchMemory(max_bytes)
        # piece -> how often it was found damaged or whole again, and since when it is damaged (0: it is not)
        self._damage: LRUCache[tuple[str, int | None, str], tuple[int, float]] = LRUCache(MOST_DAMAGED)
        self._lock = threading.Lock()
        self._reading = threading.Lock()

    @property
    def bytes(self) -> int:
        """Memory that the sketches take."""
        return self._memory.bytes

    def close(self) -> None:
        """Read no further."""
        self._closed.set()

    def damage_of(self, pieces: Sequence[Piece]) -> str:
        """Part of the digest of an answer about these pieces: changes when what it leaves out may have."""
        with self._lock:
            if not self._damage:
                return ""
            known = [(place, self._damage.get(piece.key)) for place, piece in enumerate(pieces)]
        now = time.monotonic()
        return " ".join(
            f"{place}:{found[0]}:{int((now - found[1]) / DAMAGE_SECONDS) if found[1] else 0}"
            for place, found in known
            if found
        )

    def _read_on(self, pieces: Sequence[Piece]) -> None:
        """Go on reading behind a request that was sent away, so that the next finds more in memory."""

        def read() -> None:
            for number, piece in enumerate(pieces):
                if self._closed.is_set() or self.bytes > FILLED * self._max_bytes:
                    return
                try:
                    self._sketched(piece, math.inf, number, len(pieces))
                except (TgshError, SQLAlchemyError, ValueError) as error:
                    log.debug("%s is not read ahead: %s", piece.experiment, error)

        with self._lock:
            if self._reader is None or not self._reader.is_alive():
                self._reader = threading.Thread(target=read, name="atlas", daemon=True)
                self._reader.start()

    def _note_damage(self, piece: Piece, is_damaged: bool) -> None:
        with self._lock:
            times, since = self._damage.get(piece.key, (0, 0.0))
            if is_damaged != bool(since):
                self._damage[piece.key] = (times + 1, time.monotonic() if is_damaged else 0.0)

    def gather(self, pieces: Sequence[Piece], width: int | None = None) -> Gathered:
        """All of these in memory, the first ones where they are too many, without damaged ones.

        width: numbers of a vector; None: that of the first. Raises Busy where they cannot all be read in
        time, ArtifactUnreachable.
        """
        until = time.monotonic() + self._patience
        held = self._memory.get(piece.key for piece in pieces)
        kept: list[Piece] = []
        sketched: list[SketchedPiece] = []
        left_out: list[TasksLeftOut] = []
        used = beyond = 0
        for number, (piece, there) in enumerate(zip(pieces, held, strict=True)):
            if beyond:
                beyond += piece.tasks
                continue
            try:
                found = there or self._sketched(piece, until, number, len(pieces))
            except Busy:
                self._read_on(pieces[number:])
                raise
            except NotFound:
                continue  # deleted since the pieces were listed
            except (ArtifactMissing, ArtifactCorrupt, ValueError) as error:
                left_out.append(
                    TasksLeftOut(f"its vectors cannot be read: {error}", piece.tasks, piece.experiment)
                )
                continue
            width = found.width if width is None else width
            if found.width != width:
                text = f"its vectors have {found.width:,} numbers, not {width:,}"
                left_out.append(TasksLeftOut(text, piece.tasks, piece.experiment))
                continue
            used += found.bytes
            if used > FILLED * self._max_bytes:
                beyond = piece.tasks
                continue
            kept.append(piece)
            sketched.append(found)
        if beyond:
            left_out.append(
                TasksLeftOut(
                    f"the newest are compared, as many as fit in {self._max_bytes >> 20:,} MiB "
                    "(TGSH_ATLAS_BYTES); filters reach the others",
                    beyond,
                )
            )
        sizes = [each.rows for each in sketched]
        starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])[: len(sizes)].astype(np.int64)
        return Gathered(tuple(kept), tuple(sketched), starts, sum(sizes), tuple(left_out))

    def nearest(
        self, pieces: Sequence[Piece], vector: np.ndarray, count: int, itself: tuple[str, int] | None = None
    ) -> Found:
        """The tasks of these pieces whose vectors have the greatest cosine with `vector`, float32 [H].

        itself: (experiment, task) that is not among them. Raises as `gather` does.
        """

        def search(gathered: Gathered) -> tuple[NearTask, ...]:
            return self._nearest(gathered, vector, count, itself)

        nearest, gathered = self._searched(pieces, vector.shape[0], search)
        return Found(nearest, gathered)

    def directions(self, pieces: Sequence[Piece], most_exact: int) -> tuple[np.ndarray, bool, Gathered]:
        """Vectors of length 1, or sketches where there are more tasks than `most_exact`: float32 [N, k].

        Second: whether they are the vectors. Raises as `gather` does.
        """

        def collect(gathered: Gathered) -> tuple[np.ndarray, bool]:
            is_exact = gathered.tasks <= most_exact
            parts = [each.sketches for each in gathered.sketched]
            if is_exact:
                parts = [
                    sketches(self._loaded(piece, each.ref), each.width)
                    for piece, each in zip(gathered.pieces, gathered.sketched, strict=True)
                ]
            return (np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)), is_exact

        (found, is_exact), gathered = self._searched(pieces, None, collect)
        return found, is_exact, gathered

    def _searched(
        self, pieces: Sequence[Piece], width: int | None, search: Callable[[Gathered], T]
    ) -> tuple[T, Gathered]:
        """Result of a search in all that can be read, and these; begins anew when one is damaged."""
        damaged: list[_PieceDamaged] = []
        for _ in range(REPEATS):
            gone = {each.piece.key for each in damaged}
            gathered = self.gather([piece for piece in pieces if piece.key not in gone], width)
            try:
                found = search(gathered)
            except _PieceDamaged as error:
                self._memory.forget(error.piece.key)
                damaged.append(error)
                continue
            told = tuple(_unreadable(each.piece, each) for each in damaged)
            return found, replace(gathered, left_out=(*gathered.left_out, *told))
        raise Busy("the store changes while it is searched; try again soon")

    def _loaded(self, piece: Piece, ref: StageRef) -> np.ndarray:
        try:
            return load_piece(self._artifacts, ref)
        except (ArtifactMissing, ArtifactCorrupt) as error:
            self._note_damage(piece, True)
            raise _PieceDamaged(piece, str(error)) from error

    def _nearest(
        self, gathered: Gathered, vector: np.ndarray, count: int, itself: tuple[str, int] | None
    ) -> tuple[NearTask, ...]:
        sketch = sketches(vector[None])[0]
        values = estimates(runs(gathered.sketched), sketch, gathered.tasks)
        if itself is not None and (place := _place_of(gathered, itself)) is not None:
            values[place] = -np.inf
        most = max(CANDIDATES, 4 * count)
        candidates = best(values, gathered.tasks if gathered.tasks <= FEW_TASKS else most)
        candidates = candidates[np.isfinite(values[candidates])]
        if not len(candidates):
            return ()
        first = len(candidates) if gathered.tasks <= FEW_TASKS else max(FIRST_CANDIDATES, 2 * count)
        places = np.sort(candidates[:first])  # so that of equals the first pieces come first
        chosen, similar = most_alike(self._vectors(gathered, places, len(vector)), vector, count)
        if first < len(candidates):
            worst = similar[-1]
            deviation = (1 - worst**2) / np.sqrt(len(sketch))
            if worst - values[candidates[first]] < CERTAIN * deviation:  # others may be nearer
                places = np.sort(candidates)
                chosen, similar = most_alike(self._vectors(gathered, places, len(vector)), vector, count)
        where = places_of(places[chosen].tolist(), gathered.starts)
        refs = [gathered.sketched[number].ref for number, _ in where]
        return tuple(
            NearTask(gathered.pieces[number], ref.tasks[row], ref.labels[row], value)
            for (number, row), ref, value in zip(where, refs, similar.tolist(), strict=True)
        )

    def _vectors(self, gathered: Gathered, places: np.ndarray, width: int) -> np.ndarray:
        """The stored vectors at places that rise, float32 [n, width]. Raises _PieceDamaged."""
        by_piece: dict[int, list[int]] = {}
        for number, row in places_of(places.tolist(), gathered.starts):
            by_piece.setdefault(number, []).append(row)
        parts = []
        for number, rows in by_piece.items():
            piece = gathered.pieces[number]
            try:
                parts.append(read_rows(self._artifacts, gathered.sketched[number].ref, rows, width))
            except (ArtifactMissing, ArtifactCorrupt) as error:
                self._note_damage(piece, True)
                raise _PieceDamaged(piece, str(error)) from error
        return np.concatenate(parts)

    def _sketched(self, piece: Piece, until: float, number: int, total: int) -> SketchedPiece:
        with self._reading:  # one at a time: a projection uses all cores
            [found] = self._memory.get([piece.key])
            if found is not None:
                return found
            if time.monotonic() > until:
                raise Busy(
                    f"learned tasks are read for the first time, {number:,} of {total:,} parts so far; "
                    "try again soon, what is read stays"
                )
            ref = find_piece(self._database, piece)
            vectors = load_piece(self._artifacts, ref)
            found = self._memory.add(piece.key, sketches(vectors), vectors.shape[1], ref)
            self._note_damage(piece, False)
            return found


def _unreadable(piece: Piece, error: Exception) -> TasksLeftOut:
    return TasksLeftOut(f"its vectors cannot be read: {error}", piece.tasks, piece.experiment)


def _place_of(gathered: Gathered, itself: tuple[str, int]) -> int | None:
    experiment, task = itself
    for piece, sketched, start in zip(gathered.pieces, gathered.sketched, gathered.starts, strict=True):
        if piece.experiment == experiment and task in sketched.ref.tasks:
            return int(start) + sketched.ref.tasks.index(task)
    return None
