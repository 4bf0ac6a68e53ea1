"""Memory of sketches: bounded, in chunks, those used last.

Pieces lie one after the other in large chunks, as one product with a chunk is much faster than a product with
each of a thousand pieces. What is too much is dropped by chunks, so that the bound is one of real memory.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tgsh.store.results import StageRef

Key = tuple[str, int | None, str]
"""Of a piece: experiment, task or None for all, version."""

FIRST_ROWS, MOST_ROWS = 256, 8_192
"""Of a chunk: as many as its base has already, within these."""

CHUNKS = 16
"""Of which at least so many fit in the memory."""

BYTES_BESIDE = 200
"""Of a task beside its sketch: its label and number."""

BYTES_A_PIECE = 2_000
"""Of a piece beside its tasks: names, keys and digests."""


@dataclass(eq=False)
class Chunk:
    """Rows of sketches float32 [n, k]; the first `used` are of the pieces with these keys."""

    rows: np.ndarray
    base_id: str
    used: int = 0
    beside: int = 0
    keys: list[Key] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Memory that it takes, with what is noted of its pieces."""
        return self.rows.nbytes + self.beside


@dataclass(frozen=True, eq=False)
class SketchedPiece:
    """A piece in memory: its sketches are rows of a chunk; its vectors of `width` numbers lie at `ref`."""

    chunk: Chunk
    first: int
    width: int
    ref: StageRef

    @property
    def rows(self) -> int:
        """Number of its tasks."""
        return len(self.ref.tasks)

    @property
    def sketches(self) -> np.ndarray:
        """float32 [T, k]."""
        return self.chunk.rows[self.first : self.first + self.rows]

    @property
    def bytes(self) -> int:
        """Memory that it needs."""
        size = int(self.chunk.rows.shape[1])
        return self.rows * (4 * size + BYTES_BESIDE) + BYTES_A_PIECE


class SketchMemory:
    """Pieces by their keys, in at most `max_bytes` (or in one chunk, where a piece is larger)."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._pieces: dict[Key, SketchedPiece] = {}
        self._chunks: OrderedDict[int, Chunk] = OrderedDict()  # least recently used first
        self._open: dict[str, Chunk] = {}  # the last chunk of each base
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """Memory in use."""
        with self._lock:
            return sum(chunk.bytes for chunk in self._chunks.values())

    def get(self, keys: Iterable[Key]) -> list[SketchedPiece | None]:
        """Pieces that are there; None for others."""
        with self._lock:
            found = [self._pieces.get(key) for key in keys]
            for number in dict.fromkeys(id(piece.chunk) for piece in found if piece is not None):
                self._chunks.move_to_end(number)
            return found

    def add(self, key: Key, sketches: np.ndarray, width: int, ref: StageRef) -> SketchedPiece:
        """Keep a piece, and drop chunks that were not used for long where it is too much."""
        with self._lock:
            chunk = self._room(ref.base_id, *sketches.shape)
            piece = SketchedPiece(chunk, chunk.used, width, ref)
            piece.sketches[:] = sketches
            chunk.used += len(sketches)
            chunk.beside += BYTES_A_PIECE + BYTES_BESIDE * len(sketches)
            chunk.keys.append(key)
            self._pieces[key] = piece
            self._chunks.move_to_end(id(chunk))
            self._drop_oldest()
            return piece

    def forget(self, key: Key) -> None:
        """Drop a piece; its rows stay as long as their chunk does."""
        with self._lock:
            self._pieces.pop(key, None)

    def _room(self, base_id: str, rows: int, size: int) -> Chunk:
        chunk = self._open.get(base_id)
        if chunk is None or chunk.rows.shape[1] != size or len(chunk.rows) - chunk.used < rows:
            there = sum(len(each.rows) for each in self._chunks.values() if each.base_id == base_id)
            most = max(1, min(MOST_ROWS, self._max_bytes // (CHUNKS * 4 * max(1, size))))
            wanted = max(rows, min(most, max(FIRST_ROWS, there)))
            chunk = Chunk(np.zeros((wanted, size), np.float32), base_id)
            self._chunks[id(chunk)] = chunk
            self._open[base_id] = chunk
        return chunk

    def _drop_oldest(self) -> None:
        total = sum(chunk.bytes for chunk in self._chunks.values())
        for number, chunk in list(self._chunks.items())[:-1]:
            if total <= self._max_bytes:
                return
            total -= chunk.bytes
            del self._chunks[number]
            if self._open.get(chunk.base_id) is chunk:
                del self._open[chunk.base_id]
            for key in chunk.keys:
                if (piece := self._pieces.get(key)) is not None and piece.chunk is chunk:
                    del self._pieces[key]


def runs(pieces: Sequence[SketchedPiece]) -> Iterator[np.ndarray]:
    """The sketches of pieces in their order; of those that lie one after the other in one array."""
    place = 0
    while place < len(pieces):
        chunk, first = pieces[place].chunk, pieces[place].first
        end = first
        while place < len(pieces) and pieces[place].chunk is chunk and pieces[place].first == end:
            end += pieces[place].rows
            place += 1
        yield chunk.rows[first:end]
