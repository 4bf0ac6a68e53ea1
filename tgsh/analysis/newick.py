"""A dendrogram as Newick, the text that programs for trees read."""

from __future__ import annotations

import re

from tgsh.analysis.clustering import Dendrogram

_PLAIN = re.compile(r"[A-Za-z0-9.+-]+")


def newick(tree: Dendrogram) -> str:
    """The tree in Newick, with lengths: the way between two leaves is as long as their cophenetic distance.

    A group that was joined at distance d therefore lies d/2 above its leaves. No recursion: a chain of 10,000
    tasks is deep. No task: an empty tree, `;`.
    """
    tasks = len(tree.tasks)
    if not tasks:
        return ";"
    heights = [0.0] * tasks + [float(row[2]) / 2 for row in tree.linkage]
    pieces: list[str] = []
    todo: list[tuple[int, float] | str] = [(tasks + len(tree.linkage) - 1, heights[-1])]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            pieces.append(item)
            continue
        node, above = item
        own = heights[node]
        length = "" if not pieces and not todo else f":{max(above - own, 0.0):.17g}"  # the root has none
        if node < tasks:
            pieces.append(quoted(tree.labels[node]) + length)
            continue
        left, right = (int(child) for child in tree.linkage[node - tasks, :2])
        pieces.append("(")
        todo += [f"){length}", (right, own), ",", (left, own)]
    return "".join(pieces) + ";"


def quoted(label: str) -> str:
    """A label as Newick takes it literally: in quotes unless it is plain, a quote inside doubled."""
    line = " ".join(label.split())  # a label ends with its line
    return line if _PLAIN.fullmatch(line) else "'" + line.replace("'", "''") + "'"
