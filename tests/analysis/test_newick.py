"""Newick read back by a parser of our own: every label, and every way between two leaves."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from tgsh.analysis.clustering import METHODS, dendrogram, newick
from tgsh.analysis.similarity import similarity
from tgsh.rng import rng_for

TOKEN = re.compile(r"'(?:[^']|'')*'|[(),:;]|[^(),:;']+")


def leaf_paths(text: str) -> dict[str, dict[int, float]]:
    """For every leaf the branches above it (by a number) with their lengths."""
    tokens = TOKEN.findall(text)
    assert "".join(tokens) == text, "a text with anything that is no token"
    position, branches = 0, iter(range(10**6))

    def length() -> float:
        nonlocal position
        if tokens[position] != ":":
            return 0.0
        position += 2
        return float(tokens[position - 1])

    def node() -> dict[str, dict[int, float]]:
        nonlocal position
        found: dict[str, dict[int, float]] = {}
        if tokens[position] == "(":
            while tokens[position] in "(,":
                position += 1
                found |= node()
            assert tokens[position] == ")"
            position += 1
        else:
            name = tokens[position]
            position += 1
            found[name[1:-1].replace("''", "'") if name.startswith("'") else name] = {}
        branch, far = next(branches), length()
        return {name: {**path, branch: far} for name, path in found.items()}

    read = node()
    assert tokens[position:] == [";"]
    return read


@pytest.mark.parametrize("method", METHODS)
def test_leaves_are_their_cophenetic_distance_apart(method: str) -> None:
    vectors = rng_for(3, "newick").standard_normal((9, 30))
    labels = [f"t{i}" for i in range(9)]
    tree = dendrogram(similarity(vectors, labels, range(9)), method)
    paths = leaf_paths(newick(tree))
    wanted = squareform(hierarchy.cophenet(tree.linkage))
    for one, other in combinations(range(9), 2):
        a, b = paths[labels[one]], paths[labels[other]]
        apart = sum((a | b)[branch] for branch in a.keys() ^ b.keys())
        assert apart == pytest.approx(wanted[one, other], abs=1e-12)


def test_labels_are_taken_literally() -> None:
    labels = ["0°", "it's (a; b), [c]:_", "plain-1.5", "", "two words", "''"]
    tree = dendrogram(similarity(np.eye(6), labels, range(6)))
    assert leaf_paths(newick(tree)).keys() == set(labels)
    assert "plain-1.5:" in newick(tree)


def test_a_label_stays_on_its_line() -> None:
    assert newick(dendrogram(similarity(np.eye(1), ["a\nb"], [0]))) == "'a b';"


@pytest.mark.parametrize(("tasks", "text"), [(0, ";"), (1, "t0;"), (2, "(t0:0.5,t1:0.5);")])
def test_few_tasks(tasks: int, text: str) -> None:
    labels = [f"t{i}" for i in range(tasks)]
    assert newick(dendrogram(similarity(np.eye(tasks), labels, range(tasks)))) == text


def test_a_deep_chain_is_no_recursion() -> None:
    angles = 1e-6 * np.arange(3000) ** 1.5
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    text = newick(dendrogram(similarity(vectors, [str(i) for i in range(3000)], range(3000)), "single"))
    assert text.count("(") == text.count(")") == 2999
