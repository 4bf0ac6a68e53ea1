"""File sizes and names: a module is one subject, a word has one meaning."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.architecture.test_imports import PACKAGES, modules
from tests.support.compose import ROOT

LONGEST_FILE = 600

BAGS = {"utils", "util", "helpers", "helper", "misc", "common"}

GERUNDS = {
    "training",
    "clustering",
    "embedding",
    "scheduling",
    "planning",
    "plotting",
    "parsing",
    "rendering",
}
"""Modules that may be named by what is done, as the field names them so."""

PAIRS = ("tgsh/schemas/", "tgsh/client/")
"""A schema and the client's result class that adds methods to it share their name; the clients are twins."""

DEAD_WORDS = re.compile(
    r"\b(bow_out|patiently|most_due|first_job|StoreShelf|NoShelf|Bench|open_bench|Reckoner|Arrivals|Wishes|"
    r"arranged|LeaseKeeper|is_passing|settle|announce_(status|task|progress)|Census|CourseRef|courses|sayer|"
    r"whereabouts|take_expired_leases|HINT_NAME|PartsDep|TorchPath|FusedPath|path_of)\b"
)
"""Names that this house had before; whoever knows them from an old branch must not bring them back."""


OPENERS = ("Which", "What", "Who", "Whose", "Where", "How", "Whether", "When", "Why")
"""A docstring names its thing; it does not ask the reader to guess it."""

PUBLISHED = ("tgsh/schemas/", "service/routers/", "tgsh/errors.py")
"""Docstrings there are published: in the OpenAPI document, and as titles of problems."""


def questions(source: str) -> list[str]:
    """First words of docstrings that open with a question word."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [ast.get_docstring(node) for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return [text[:60] for text in texts if text and text.split()[0].strip(",.:") in OPENERS]


def riddles(paths: Iterable[Path]) -> list[str]:
    """Modules named by a bare gerund or as a place for everything."""
    return [
        str(path)
        for path in paths
        if {path.stem, path.parent.name} & BAGS or (path.stem.endswith("ing") and path.stem not in GERUNDS)
    ]


def public_classes(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Names of public classes and the files that define them."""
    for path in paths:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, str(path.relative_to(ROOT))


def namesakes(classes: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Public classes of one name in several places, but for schemas and the client's results."""
    places = defaultdict(list)
    for name, file in classes:
        places[name].append(file)
    return {
        name: files
        for name, files in places.items()
        if len(files) > 1 and not all(file.startswith(PAIRS) for file in files)
    }


def test_no_module_is_a_riddle_or_a_bag() -> None:
    files = list(modules())
    assert {"specs", "store"} <= {path.parent.name for path in files}
    assert riddles(files) == []


def test_a_riddle_and_a_bag_are_found() -> None:
    paths = [
        Path("tgsh/reckoning.py"),
        Path("tgsh/utils.py"),
        Path("tgsh/misc/x.py"),
        Path("tgsh/training/x.py"),
    ]
    assert riddles(paths) == [str(path) for path in paths[:3]]


def test_no_two_public_classes_have_one_name() -> None:
    assert namesakes(public_classes(modules())) == {}


def test_namesakes_are_found() -> None:
    schemas = [("A", "tgsh/schemas/a.py"), ("A", "tgsh/client/results/a.py")]
    assert namesakes([*schemas, ("B", "tgsh/x.py")]) == {}
    assert namesakes([*schemas, ("B", "tgsh/x.py"), ("B", "service/y.py")]) == {
        "B": ["tgsh/x.py", "service/y.py"]
    }
    assert namesakes([*schemas, ("A", "service/y.py")]).keys() == {"A"}


def test_files_hold_one_subject() -> None:
    files = [*modules(), *sorted((ROOT / "tests").rglob("*.py"))]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in files}
    assert len(lengths) > 20
    assert not {path: length for path, length in lengths.items() if length > LONGEST_FILE}


def test_docstrings_name_their_thing() -> None:
    sources = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in modules()}
    asked = {file: questions(text) for file, text in sources.items() if not file.startswith(PUBLISHED)}
    assert {file: texts for file, texts in asked.items() if texts} == {}


def test_a_docstring_that_asks_is_found() -> None:
    assert questions('"""What a row is."""') == ["What a row is."]
    assert questions('"""Rows."""\n\n\nclass A:\n    """Where it lies."""') == ["Where it lies."]


def test_old_names_stay_away() -> None:
    lines = (
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts
        for line in path.read_text("utf-8").splitlines()
        if DEAD_WORDS.search(line)
    )
    assert list(lines) == []


@pytest.mark.parametrize("line", ["class Bench:", "from x import patiently", "parts: PartsDep"])
def test_an_old_name_is_found(line: str) -> None:
    assert DEAD_WORDS.search(line)
