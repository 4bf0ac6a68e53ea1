"""What is wrong with a document is said in sentences of our own; every field of a spec says what it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from datetime import datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_core._pydantic_core import list_all_errors

import tgsh.specs
from tgsh.schemas.reports import ReportItem
from tgsh.specs.base import DatasetKey, Name, Seed, Tag
from tgsh.specs.placements import PlacementOptions
from tgsh.specs.presets import Submission
from tgsh.specs.studies import ExperimentKey, StudySubmission
from tgsh.specs.validation import problems_of, sentence_of

NAMES = "must be one of 'names', 'nearest'"
DAY = "2026-11-28"
KINDS = "'flynet', 'gsh', 'neuromodnet' or 'tgsh'"


def mistakes(kind: Any, value: Any, *, is_strict: bool | None = None) -> list[tuple[str, str]]:
    """Problems of a value of a type."""
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value, strict=is_strict)
    return problems_of(refused.value.errors())


@pytest.mark.parametrize(
    ("body", "field", "sentence"),
    [
        ({"training": {"epochs": 0}}, "training.epochs", "must be at least 1, is 0"),
        ({"training": {"epochs": 5_000}}, "training.epochs", "must be at most 1,000, is 5,000"),
        ({"training": {"epochs": 1.5}}, "training.epochs", "must be a whole number, is 1.5"),
        ({"training": {"epochs": True}}, "training.epochs", "must be a whole number, is true"),
        ({"training": {"epochs": None}}, "training.epochs", "must be a whole number, is null"),
        ({"training": {"learning_rate": 0}}, "training.learning_rate", "must be greater than 0, is 0"),
        ({"training": {"learning_rate": "x"}}, "training.learning_rate", "must be a number, is 'x'"),
        (
            {"training": {"learning_rate": float("nan")}},
            "training.learning_rate",
            "must be a finite number, is nan",
        ),
        ({"training": 3}, "training", "must be an object, is 3"),
        ({"training": []}, "training", "must be an object, is a list of 0"),
        ({"seed": 2**63}, "seed", "must be less than 2⁶³, is 2⁶³"),
        ({"suite": {"step_degrees": 400}}, "suite.step_degrees", "must be less than 360, is 400"),
        ({"accuracy_matrix": "yes"}, "accuracy_matrix", "must be true or false, is 'yes'"),
        ({"name": 5}, "name", 'must be text, is 5; write "5"'),
        ({"name": "x" * 201}, "name", "must have at most 200 characters, has 201"),
        ({"name": "\x00"}, "name", "must not contain the character NUL"),
        ({"tags": "paper"}, "tags", "must be a list, is 'paper'"),
        ({"tags": [" "]}, "tags.0", "must not be empty"),
        ({"tags": ["x"] * 33}, "tags", "must have at most 32 entries, has 33"),
        (
            {"network": {"kind": "flinet"}},
            "network.kind",
            f"must be one of {KINDS}; it is 'flinet'; meant is perhaps 'flynet'",
        ),
        (
            {"suite": {"kind": "custom", "tasks": []}},
            "suite.tasks",
            "there must be a task",  # a check of ours, without pydantic's "Value error, "
        ),
        ({"suite": {"kind": "datasets", "datasets": []}}, "suite.datasets", "must not be empty"),
        (
            {"suite": {"kind": "datasets", "datasets": ["mnist"], "channels": 2}},
            "suite.channels",
            "must be one of 1 or 3; it is 2",
        ),
        ({"colour": "blue"}, "colour", "unknown key; remove it or check its spelling against GET /catalog"),
    ],
)
def test_a_mistake_in_a_spec_names_the_value_and_the_remedy(
    body: dict[str, Any], field: str, sentence: str
) -> None:
    assert mistakes(Submission, body) == [(field, sentence)]


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        (ExperimentKey, "0123", "must be an id, 16 digits from 0-9 and a-f, is '0123'"),
        (
            DatasetKey,
            "minst",
            "must be a dataset's name, such as mnist5k, or the id of an uploaded one, is 'minst'",
        ),
        (Annotated[str, Field(pattern="^a$")], "b", "must be of the form ^a$, is 'b'"),
        (Seed, "many", "must be a whole number, is 'many'"),
        (Seed, "9" * 5_000, "has more digits than a whole number may have here"),
        (Annotated[int, Field(ge=1)], "0", "must be at least 1, is 0"),  # as it stands in a query
        (Annotated[int, Field(multiple_of=2)], 3, "must be a multiple of 2, is 3"),
        (bool, "perhaps", "must be true or false, is 'perhaps'"),
        (Tag, "x" * 65, "must have at most 64 characters, has 65"),
        (Annotated[str, Field(min_length=3)], "ab", "must have at least 3 characters, has 2"),
        (Annotated[list[int], Field(min_length=2)], [1], "must have at least 2 entries, has 1"),
        (datetime, "soon", f"must be a date such as {DAY}, or one with a time, {DAY}T09:30:00Z, is 'soon'"),
        (
            AwareDatetime,
            f"{DAY}T09:30",
            f"must be a time with its zone, such as {DAY}T09:30:00Z, is '{DAY}T09:30'",
        ),
        (dict[str, int], [1, 2], "must be an object, is a list of 2"),
        (Literal["show"], "mask", "must be 'show'; it is 'mask'"),
        (Name, "x" * 500, "must have at most 200 characters, has 500"),
        (ReportItem, {"kind": "film"}, "its kind must be one of 'text', 'figure'; it is 'film'"),
        (ReportItem, {"text": "x"}, "must name its kind"),
        (Literal["a"], "é" * 99, f"must be 'a'; it is '{'é' * 60}…'"),
    ],
)
def test_a_mistake_elsewhere_does_so_too(kind: Any, value: Any, sentence: str) -> None:
    assert [message for _, message in mistakes(kind, value)] == [sentence]


def test_all_mistakes_of_other_bodies_have_words_of_ours() -> None:
    [(field, sentence)] = mistakes(StudySubmission, {"replicates": {"seeds": 0}})
    assert (field, sentence) == ("replicates.seeds", "must be 1 to 1,000, is 0")
    [(field, sentence)] = mistakes(PlacementOptions, {"classes": "nmes"})
    assert field == "classes"
    assert sentence.startswith(NAMES)
    assert sentence.endswith("it is 'nmes'; meant is perhaps 'names'")
    assert problems_of([{"type": "missing", "loc": ("x", 0), "msg": "?"}], "params") == [
        ("params.x.0", "is missing")
    ]
    own = PydanticCustomError("levels", "must be a seed")
    assert sentence_of({"type": own.type, "msg": own.message(), "loc": ()}) == "must be a seed"


NOT_FROM_DOCUMENTS = (
    "bytes_", "complex_", "dataclass_", "date_past", "date_future", "datetime_past", "datetime_future",
    "decimal_", "fraction_", "frozen_", "is_", "set_", "time_", "timezone_n", "timezone_o", "url_",
    "uuid_", "missing_", "multiple_argument", "unexpected_", "counter_", "deque_", "ordered_", "mapping_",
    "named_tuple", "iteration_", "callable_", "arguments_", "ellipsis_", "needs_python",
    "no_such_attribute", "get_attribute", "default_factory",
)  # fmt: skip
"""Beginnings of pydantic's types of mistakes in types that no model of ours has."""


def test_no_type_of_mistake_that_a_document_can_make_has_pydantics_words() -> None:
    examples = [each for each in list_all_errors() if not each["type"].startswith(NOT_FROM_DOCUMENTS)]
    assert len(examples) > 40
    for each in examples:
        context = {"pattern": "^$", "expected": "'a'", "error": "e", **(each["example_context"] or {})}
        mistake = {"type": each["type"], "msg": "pydantic's", "loc": (), "input": 1, "ctx": context}
        assert "pydantic" not in sentence_of(mistake), each["type"]


UNITS = {
    "Affine.shear": "degrees",
    "Affine.translate": "pixels",
    "FigureOptions.font": "points",
    "FigureOptions.width": "mm",
    "GaussianBlur.sigma": "pixels",
    "ManifoldSuite.side": "pixels",
    "ManifoldSuite.train_images": "images",
    "RotationSuite.step_degrees": "degrees",
    "ShiftSuite.step_pixels": "pixels",
    "TrainingSpec.batch_size": "images",
    "TrainingSpec.train_limit": "images",
}


def test_every_field_of_every_spec_says_what_it_is() -> None:
    modules = [
        importlib.import_module(f"tgsh.specs.{each.name}")
        for each in pkgutil.iter_modules(tgsh.specs.__path__)
    ]
    models = {
        model
        for module in modules
        for _, model in inspect.getmembers(module, inspect.isclass)
        if issubclass(model, BaseModel) and model.__module__ == module.__name__
    }
    fields = {
        f"{model.__name__}.{name}": field for model in models for name, field in model.model_fields.items()
    }
    assert len(fields) > 140
    silent = sorted(name for name, field in fields.items() if not (field.description or "").strip())
    assert silent == []
    for name, unit in UNITS.items():
        assert unit in str(fields[name].description), name
