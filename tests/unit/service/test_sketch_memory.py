"""Memory of sketches: what is kept, what is dropped, and what lies side by side."""

from __future__ import annotations

import numpy as np

from service.sketch_memory import SketchedPiece, SketchMemory, runs
from tgsh.store.results import StageRef

SIZE = 64


def add(memory: SketchMemory, name: str, tasks: int, base: str = "b") -> SketchedPiece:
    ref = StageRef(name, base, "after", 1, True, True, tuple(range(tasks)), ("",) * tasks, (("k", "s"),))
    values = np.full((tasks, SIZE), float(ord(name[0])), np.float32)
    return memory.add((name, None, "1"), values, 100, ref)


def held(memory: SketchMemory, names: str) -> str:
    found = memory.get((name, None, "1") for name in names)
    return "".join(name for name, piece in zip(names, found, strict=True) if piece is not None)


def test_pieces_lie_side_by_side_and_keep_their_rows() -> None:
    memory = SketchMemory(1 << 22)
    pieces = [add(memory, name, 5) for name in "abcd"]
    assert [part.shape for part in runs(pieces)] == [(20, SIZE)]
    assert [part.shape for part in runs([pieces[0], pieces[1], pieces[3]])] == [(10, SIZE), (5, SIZE)]
    assert [part.shape for part in runs(pieces[::-1])] == [(5, SIZE)] * 4
    np.testing.assert_array_equal(
        np.concatenate(list(runs(pieces))), np.concatenate([p.sketches for p in pieces])
    )
    assert pieces[2].sketches[0, 0] == ord("c")


def test_bases_are_apart() -> None:
    memory = SketchMemory(1 << 22)
    pieces = [add(memory, "a", 3, "one"), add(memory, "b", 3, "two"), add(memory, "c", 3, "one")]
    assert pieces[0].chunk is pieces[2].chunk
    assert pieces[0].chunk is not pieces[1].chunk


def test_what_was_not_used_for_long_is_dropped_and_memory_stays_bounded() -> None:
    memory = SketchMemory(400_000)
    for name in "abcdefghijklmnopqrstuvwxyz":
        add(memory, name, 100, base=name)
        held(memory, "a")  # is used all the time
        assert memory.bytes <= 400_000
    kept = held(memory, "abcdefghijklmnopqrstuvwxyz")
    assert kept.startswith("a")
    assert kept.endswith("yz")
    assert len(kept) < 15


def test_a_piece_that_is_larger_than_all_is_there_until_the_next() -> None:
    memory = SketchMemory(10_000)
    large = add(memory, "a", 1_000)
    assert large.rows == 1_000
    assert held(memory, "a") == "a"
    add(memory, "b", 1)
    assert held(memory, "ab") == "b"


def test_a_piece_is_forgotten() -> None:
    memory = SketchMemory(1 << 20)
    add(memory, "a", 2)
    memory.forget(("a", None, "1"))
    memory.forget(("z", None, "1"))
    assert held(memory, "a") == ""
