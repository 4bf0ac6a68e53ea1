"""Layouts of folders: which level is the split, which the classes, which the domains."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tgsh.datasets.uploads.file_names import MOST_WRONG, Names
from tgsh.datasets.uploads.labelled_images import Problems
from tgsh.datasets.uploads.report import UploadReport

TRAIN, VALIDATION, TEST = "train", "validation", "test"

SPLITS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training", "trainset", "train_set"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev", "valset", "val_set"), VALIDATION),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "testset", "test_set"), TEST),
}
"""Names of splits, in lower case."""

MOST_COVERED = 0.75
"""Of all pairs of an upper and a lower name: from there on one level is the domain of the other."""

LEAST_REPEATED = 0.5
"""Of lower names, found below every upper one: the same."""

Folder = tuple[str, ...]

NO_CLASSES = "no class folders"


@dataclass(frozen=True)
class FilePlacement:
    """Class, split, domain and group of the images in a folder.

    Attributes
    ----------
    label : str
        Name of their class.
    split : str | None, default=None
        TRAIN, VALIDATION or TEST; None where nothing is said.
    domain : str | None, default=None
        Name of their domain.
    group : str | None, default=None
        Images of one group stay on one side of the split.
    """

    label: str
    split: str | None = None
    domain: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Layout:
    """Layout of an upload.

    Attributes
    ----------
    placements : Mapping[Folder, FilePlacement]
        By folder; folders that are not there hold nothing that is an image of a class.
    hidden : frozenset[Folder]
        Folders that were left out for a name that begins with a dot.
    outside : frozenset[Folder]
        Folders that are no class folders.
    """

    placements: Mapping[Folder, FilePlacement]
    hidden: frozenset[Folder]
    outside: frozenset[Folder]


def recognise_layout(
    names: Names, report: UploadReport, *, can_skip: bool = False
) -> tuple[Layout, Problems]:
    """Recognise what the levels of folders mean.

    Parameters
    ----------
    names : Names
        Files that may be images.
    report : UploadReport
        Is told what was found.
    can_skip : bool, default=False
        Whether files outside class folders are left out, rather than refused.

    Returns
    -------
    tuple[Layout, Problems]
        The layout, and what is wrong with it.
    """
    counts: Counter[Folder] = Counter(names.counts())
    hidden = _hidden(counts)
    counts = Counter({folder: count for folder, count in counts.items() if folder not in hidden})
    root = _common_root(counts)
    if root:
        report.do("root", detail=repr("/".join(root)))
    short = {folder: folder[len(root) :] if folder[: len(root)] == root else () for folder in counts}
    depth = _main_depth(counts, short)
    outside = {folder for folder, parts in short.items() if len(parts) != depth}
    if depth == 0:
        return Layout({}, hidden, frozenset()), [("body", _no_class_folders(counts, names))]
    kept = {folder: parts for folder, parts in short.items() if folder not in outside}
    if len(kept) == 1 and (_tables(names) or next(iter(kept.values()))[-1].lower() in SPLITS):
        return Layout({}, hidden, frozenset()), [("body", _no_class_folders(counts, names))]
    wrong = [] if can_skip else _outside_problems(names, outside, kept, depth)
    split_level, problem = _split_level(list(kept.values()), depth)
    if problem:
        return Layout({}, hidden, frozenset(outside)), [*wrong, ("body", problem)]
    splits = {} if split_level is None else _splits_of({parts[split_level] for parts in kept.values()})
    levels = [
        level
        for level in range(depth)
        if split_level is None or any(parts[level] != parts[split_level] for parts in kept.values())
    ]
    levels = _varying(levels, list(kept.values()))
    if len(levels) > 2:
        deep = "/".join(next(iter(kept)))[-200:]
        text = (
            f"folders are nested deeper than can be understood, such as {deep}: CLASS/image.png, "
            "SPLIT/CLASS/image.png and DOMAIN/CLASS/image.png are, and each of them below other folders"
        )
        return Layout({}, hidden, frozenset(outside)), [*wrong, ("body", text)]
    roles = _roles(levels, list(kept.values()), report)
    placements = {
        folder: _placement(parts, roles, None if split_level is None else splits[parts[split_level]])
        for folder, parts in kept.items()
    }
    order = {**dict.fromkeys(range(depth), "…"), **{level: role for role, level in roles.items()}}
    if split_level is not None:
        order[split_level] = "split"
    report.layout = "/".join(order[level] for level in range(depth))
    for index in names.within(outside).tolist():
        report.skip(names.path(index), "does not lie in a class folder")
    return Layout(placements, hidden, frozenset(outside)), wrong


def _hidden(counts: Mapping[Folder, int]) -> frozenset[Folder]:
    """Folders with a name that begins with a dot, but for class folders among others of their depth."""
    dotted = {folder for folder in counts if any(part.startswith(".") for part in folder)}
    plain = {len(folder) for folder in counts if folder not in dotted and folder}
    classes = {
        folder
        for folder in dotted
        if not any(part.startswith(".") for part in folder[:-1])
        and (len(folder) in plain or len(plain) == 0)
        and len(folder[-1]) > 1
    }
    return frozenset(dotted - classes)


def _common_root(counts: Mapping[Folder, int]) -> Folder:
    """The folders in which all others lie."""
    root: Folder = ()
    while True:
        depth = len(root)
        inner = {folder[depth:]: count for folder, count in counts.items() if folder[:depth] == root}
        first = {folder[0] for folder in inner if folder}
        # A folder with images of its own is a root only where folders in it have more.
        deeper = sum(count for folder, count in inner.items() if len(folder) > 1)
        if len(first) != 1 or deeper <= sum(count for folder, count in inner.items() if len(folder) == 1):
            return root
        root = (*root, *first)


def _main_depth(counts: Mapping[Folder, int], short: Mapping[Folder, Folder]) -> int:
    """The depth at which most images lie."""
    images: Counter[int] = Counter()
    for folder, count in counts.items():
        images[len(short[folder])] += count
    return max(images, key=lambda depth: (images[depth], depth), default=0)


def _tables(names: Names) -> list[str]:
    """Files that may be a table of labels."""
    return [name for name in names.documents if name.lower().endswith((".csv", ".tsv", ".jsonl", ".json"))]


def _no_class_folders(counts: Mapping[Folder, int], names: Names) -> str:
    if not counts:
        return "holds no image; a folder for each class, with its images, is wanted"
    tables = _tables(names)
    remedy = "put the images of each class into a folder of its name: CLASS/image.png"
    if tables:
        remedy = f"labels in a table, such as {tables[0][-80:]}, are not read; {remedy}"
    example = names.path(0)
    return f"{NO_CLASSES}: {example} does not lie in a class folder; {remedy}"


def _outside_problems(
    names: Names, outside: set[Folder], kept: Mapping[Folder, Folder], depth: int
) -> Problems:
    if not outside:
        return []
    tops = {parts[0].lower() for parts in kept.values()}
    beside = depth > 1 and any(SPLITS.get(top) == TRAIN for top in tops)
    if beside and any(folder and folder[-1].lower() not in SPLITS for folder in outside):
        return [("body", "has class folders beside train and test; put all of them below these two")]
    wrong: Problems = []
    seen: set[Folder] = set()
    for index in names.within(outside).tolist():
        folder = names.folders[int(names.folder_of[index])]
        if folder not in seen:
            seen.add(folder)
            flat = folder and folder[-1].lower() in SPLITS and depth > 1
            reason = "images of a test without classes are of no use: leave them out, or " if flat else ""
            wrong.append(
                (
                    "body",
                    f"{names.path(index)} does not lie in a class folder as the others do: {reason}"
                    "?on_bad=skip leaves such files out",
                )
            )
    return wrong[:MOST_WRONG]


def _split_level(folders: Sequence[Folder], depth: int) -> tuple[int | None, str]:
    """The level whose names are all names of splits; and what is wrong."""
    for level in range(depth):
        found = {folder[level] for folder in folders}
        kinds = {SPLITS[name.lower()] for name in found if name.lower() in SPLITS}
        if _splits_of(found):
            if depth == 1 and len(found) > 1:
                listed = " and ".join(sorted(found))
                return None, (
                    f"{NO_CLASSES}: {listed} are names of splits, not classes; put a folder for each class "
                    "below them: train/CLASS/image.png (a table of labels is not read)"
                )
            if depth > 1:
                return level, ""
        elif level == 0 and depth > 1 and TRAIN in kinds and len(kinds) > 1:
            return None, "has class folders beside train and test; put all of them below these two"
    return None, ""


def _splits_of(names: Collection[str]) -> dict[str, str]:
    """The split of every name, where all are splits or differ in these only, as seg_train and seg_test."""
    if all(name.lower() in SPLITS for name in names):
        return {name: SPLITS[name.lower()] for name in names}
    splits, rests = dict[str, str](), set[tuple[str, ...]]()
    for name in names:
        words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
        told = [word for word in words if word in SPLITS]
        if len(told) != 1:
            return {}
        splits[name] = SPLITS[told[0]]
        rests.add(tuple(word for word in words if word not in SPLITS))
    return splits if len(rests) == 1 and len(set(splits.values())) > 1 else {}


def _varying(levels: Sequence[int], folders: Sequence[Folder]) -> list[int]:
    """The levels that have more than one name; the last where none has."""
    varying = [level for level in levels if len({folder[level] for folder in folders}) > 1]
    return varying or list(levels[-1:])


def _roles(levels: Sequence[int], folders: Sequence[Folder], report: UploadReport) -> dict[str, int]:
    """Level by role: ``class``, and ``domain`` or ``group`` where there are two."""
    if len(levels) == 1:
        return {"class": levels[0]}
    upper, lower = levels
    pairs = {(folder[upper], folder[lower]) for folder in folders}
    uppers, lowers = {one for one, _ in pairs}, {other for _, other in pairs}
    below = Counter(other for _, other in pairs)
    repeated = sum(count == len(uppers) for count in below.values()) / len(lowers)
    covered = len(pairs) / (len(uppers) * len(lowers))
    if repeated < LEAST_REPEATED and covered < MOST_COVERED:
        report.do(
            "groups",
            detail=f"Folders below the classes ({len(pairs):,}, such as {'/'.join(min(pairs))}) were read as "
            "groups of images that belong together: none is on both sides of the split",
        )
        return {"class": upper, "group": lower}
    classes, domains = (lower, upper) if len(lowers) >= len(uppers) else (upper, lower)
    inner, outer = (lowers, uppers) if classes == lower else (uppers, lowers)
    rule = "as there are more of them" if len(lowers) != len(uppers) else "as they lie below the others"
    report.do(
        "domains",
        detail=f"Every name of one level of folders is found with every name of another: {len(inner):,} of "
        f"them, such as {min(inner)}, were read as classes, {rule}, and {len(outer):,}, such as "
        f"{min(outer)}, as domains",
    )
    return {"class": classes, "domain": domains}


def _placement(parts: Folder, roles: Mapping[str, int], split: str | None) -> FilePlacement:
    group = f"{parts[roles['class']]}/{parts[roles['group']]}" if "group" in roles else None
    return FilePlacement(
        label=parts[roles["class"]],
        split=split,
        domain=parts[roles["domain"]] if "domain" in roles else None,
        group=group,
    )
