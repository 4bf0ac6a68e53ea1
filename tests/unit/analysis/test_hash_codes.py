"""Hash codes: collisions by their theory, and retrieval by its definition."""

from __future__ import annotations

import numpy as np
import pytest

from tgsh.analysis.hash_codes import (
    collision_curve,
    cosines,
    hash_codes,
    nearest_templates,
    packed,
    pair_places,
    retrieval,
    shared_bits,
    simhash,
    theory,
    top_share,
)


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 150.0, 180.0])
def test_simhash_collides_as_its_theory_says(angle: float) -> None:
    rng = np.random.default_rng(0)
    one, other = np.linalg.qr(rng.standard_normal((300, 2)))[0].T
    radians = np.deg2rad(angle)
    pair = np.stack([one, np.cos(radians) * one + np.sin(radians) * other]).astype(np.float32)
    codes = simhash(pair, 4096, seed=1)
    agreement = float(shared_bits(codes, codes, "simhash")[0, 1])
    assert agreement == pytest.approx(1 - angle / 180, abs=0.03)
    assert theory(cosines(pair)[0, 1]) == pytest.approx(1 - angle / 180, abs=1e-3)


def test_codes_of_fewer_bits_begin_longer_ones() -> None:
    vectors = np.random.default_rng(1).standard_normal((5, 20)).astype(np.float32)
    np.testing.assert_array_equal(simhash(vectors, 100, 3), simhash(vectors, 200, 3)[:, :100])
    np.testing.assert_array_equal(simhash(2 * vectors, 100, 3), simhash(vectors, 100, 3))
    assert not np.array_equal(simhash(vectors, 100, 4), simhash(vectors, 100, 3))


def test_top_share_takes_the_largest_and_the_first_of_equals() -> None:
    vectors = np.array([[3, 1, 2, 0], [1, 1, 1, 1], [0, 5, 5, 5]], np.float32)
    wanted = [[1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0]]
    np.testing.assert_array_equal(top_share(vectors, 2), np.array(wanted, bool))
    random = np.random.default_rng(2).standard_normal((10, 50))
    wanted_rows = np.argsort(-random, axis=1, kind="stable")[:, :7]
    assert [set(np.flatnonzero(row)) for row in top_share(random, 7)] == [set(row) for row in wanted_rows]
    for bits in (0, 50):
        with pytest.raises(ValueError, match="no code"):
            top_share(random, bits)


def test_agreement_is_counted_bit_by_bit() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random((4, 33)) > 0.5, rng.random((3, 33)) > 0.5
    np.testing.assert_allclose(shared_bits(a, b, "simhash"), (a[:, None] == b).mean(axis=2), rtol=1e-6)
    c, d = (hash_codes(rng.standard_normal((4, 33)), "top-share", 6, 0) for _ in range(2))
    np.testing.assert_allclose(shared_bits(c, d, "top-share"), (c[:, None] & d).sum(axis=2) / 6, rtol=1e-6)


def test_packed_codes_are_read_by_numpy() -> None:
    codes = np.random.default_rng(4).random((3, 20)) > 0.5
    bytes_ = packed(codes)
    assert (bytes_.shape, bytes_.dtype) == ((3, 3), np.uint8)
    np.testing.assert_array_equal(np.unpackbits(bytes_, axis=1)[:, :20], codes)


def test_pairs_are_of_one_task_or_of_two() -> None:
    tasks = np.array([0, 0, 1, 1, 1])
    assert list(zip(*pair_places(tasks, within=True, seed=0), strict=True)) == [
        (0, 1),
        (2, 3),
        (2, 4),
        (3, 4),
    ]
    one, other = pair_places(tasks, within=False, seed=0)
    assert (tasks[one] != tasks[other]).all()
    assert len(one) == 6
    many = np.arange(400)
    assert len(pair_places(many, within=False, seed=0)[0]) == 20_000


def test_curve_is_the_mean_of_each_bin() -> None:
    found = collision_curve(np.array([-1, 0.01, 0.05, 1.0]), np.array([0.0, 0.4, 0.6, 1.0]))
    np.testing.assert_allclose(found.cosine, [-1, 0.03, 1])
    np.testing.assert_allclose(found.agreement, [0, 0.5, 1])
    assert found.pairs.tolist() == [1, 2, 1]


def test_cosines_of_nothing_are_0() -> None:
    np.testing.assert_allclose(cosines(np.array([[0.0, 0], [3, 4]])), [[0, 0], [0, 1]])


def test_retrieval_by_its_definition() -> None:
    rng = np.random.default_rng(5)
    tasks, labels = rng.integers(0, 3, 30), rng.integers(0, 4, 30)
    agreement = rng.random((30, 30))
    found = retrieval(agreement, tasks, labels, 5)
    shares = []
    for query in range(30):
        others = [place for place in np.argsort(-agreement[query]) if place != query][:5]
        shares.append(np.mean(tasks[others] == tasks[query]))
    assert found.same_task == pytest.approx(np.mean(shares))


def test_ties_are_shared_and_chance_is_exact() -> None:
    tasks, labels = np.repeat([0, 1], 4), np.tile([0, 1], 4)
    found = retrieval(np.zeros((8, 8)), tasks, labels, 3)
    assert (found.same_task, found.same_class) == (pytest.approx(3 / 7), pytest.approx(3 / 7))
    assert found.same_class_within == pytest.approx(1 / 3)
    perfect = retrieval((tasks[:, None] == tasks).astype(float), tasks, labels, 3)
    assert perfect.same_task == 1
    alone = retrieval(np.zeros((2, 2)), np.array([0, 1]), np.array([0, 0]), 1)
    assert alone.same_class_within is None


def test_nearest_template_of_each_task() -> None:
    templates = np.eye(4, dtype=bool)
    found = nearest_templates(templates[[2]], templates, np.array([0, 0, 1, 1]), 2)
    np.testing.assert_allclose(found, [[0.5, 1.0]])
