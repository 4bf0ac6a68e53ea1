"""Replicates and grids become valid specs, or errors that name the field, the cell and the remedy."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tgsh.errors import InvalidSpec
from tgsh.specs import ExperimentSpec, NeuroModNetSpec, TrainingSpec
from tgsh.specs.studies import (
    MAX_NAME,
    StudyExpansion,
    StudySubmission,
    expand,
    further_seeds,
    gather,
)


def expanded(**body: Any) -> StudyExpansion:
    return expand(StudySubmission.model_validate({"spec": {"preset": "demo"}, **body}))


def errors_of(**body: Any) -> dict[str, str]:
    with pytest.raises(InvalidSpec) as refused:
        expanded(**body)
    return dict(refused.value.fields)


def test_without_anything_it_is_one_experiment() -> None:
    study = expanded()
    assert (study.members, study.seeds, study.base_seeds, len(study.cells)) == (1, (0,), (0,), 1)
    assert study.cells[0].spec == study.template


def test_numbers_count_from_the_specs_own_seeds_and_lists_are_taken() -> None:
    study = expanded(
        spec={"preset": "demo", "seed": 7}, replicates={"seeds": 3, "base_seeds": [5, 2**63 - 1]}
    )
    assert (study.seeds, study.base_seeds) == ((7, 8, 9), (5, 2**63 - 1))
    member = study.cells[0].member(8, 5, "mine")
    assert (member.seed, member.base_seed, member.name) == (8, 5, "mine: seed 8, base 5")
    assert len(study.cells[0].member(8, 5, "x" * 300).name) == MAX_NAME


def test_the_last_path_of_a_grid_varies_fastest() -> None:
    study = expanded(
        grid={"training.epochs": [1, 3], "network.kind": ["flynet", "neuromodnet"]}, replicates={"seeds": 2}
    )
    assert [cell.title for cell in study.cells] == [
        "training.epochs=1, network.kind=flynet",
        "training.epochs=1, network.kind=neuromodnet",
        "training.epochs=3, network.kind=flynet",
        "training.epochs=3, network.kind=neuromodnet",
    ]
    assert study.members == 8
    assert study.cells[3].spec.network == NeuroModNetSpec()
    assert study.cells[3].spec.training == TrainingSpec(epochs=3)


def test_objects_places_in_lists_and_kinds() -> None:
    custom = {"kind": "custom", "tasks": [{"label": "a"}, {"label": "b"}]}
    study = expanded(
        spec={"dataset": "mnist5k", "suite": custom},
        grid={
            "training": [{"epochs": 1}, {"epochs": 2, "batch_size": 64}],
            "suite.tasks.1.label": ["b", "c"],
        },
    )
    found = [(cell.spec.training.epochs, cell.spec.training.batch_size) for cell in study.cells]
    assert found == [(1, 128), (1, 128), (2, 64), (2, 64)]
    labels = [[task["label"] for task in cell.spec.model_dump()["suite"]["tasks"]] for cell in study.cells]
    assert labels[:2] == [["a", "b"], ["a", "c"]]
    kept = expanded(
        spec={"preset": "demo", "network": {"kind": "flynet", "expansion": 3}},
        grid={"network.kind": ["flynet", "gsh"]},
    )
    assert kept.cells[0].spec.model_dump()["network"]["expansion"] == 3


def test_every_mistake_of_a_grid_at_once_with_its_cells() -> None:
    errors = errors_of(
        grid={"training.epochs": [0, 1], "network.fan_in": [7, "x"], "trainig.epochs": [1], "suite.step": [2]}
    )
    assert set(errors) == {"grid.trainig.epochs"}  # nothing can be set there
    errors = errors_of(grid={"training.epochs": [0, 1], "network.fan_in": [7, "x"], "suite.step": [2]})
    assert set(errors) == {"grid.training.epochs", "grid.network.fan_in", "grid.suite.step"}
    assert errors["grid.training.epochs"].startswith("cells 0, 1: must be at least 1, is 0")
    assert errors["grid.suite.step"].startswith("cells 0, 1, 2, 3: unknown key")


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"grid": {"seed": [1]}}, "grid.seed", "replicates.seeds"),
        ({"grid": {"base_seed": [1]}}, "grid.base_seed", "replicates.base_seeds"),
        ({"grid": {"name": ["a"]}}, "grid.name", "decides nothing"),
        ({"grid": {"tags": [["a"]]}}, "grid.tags", "decides nothing"),
        ({"grid": {"preset": ["demo"]}}, "grid.preset", "no field"),
        ({"grid": {"training.epochs": []}}, "grid.training.epochs", "no values"),
        ({"grid": {"training.epochs": [1, 1]}}, "grid.training.epochs", "twice"),
        ({"grid": {"training": [{"epochs": 1}], "training.epochs": [2]}}, "grid.training", "holds"),
        ({"grid": {"suite.tasks.0": [1]}}, "grid.suite.tasks.0", "no such field"),
        ({"grid": {"training.epochs.x": [1]}}, "grid.training.epochs.x", "no such field"),
        ({"replicates": {"seeds": 101, "base_seeds": 10}}, "replicates", "1,010 experiments"),
        ({"grid": {"null_shuffles": [0, 1]}, "replicates": {"seeds": 1000}}, "replicates", "2,000"),
        (
            {"spec": {"preset": "demo", "seed": 2**63 - 1}, "replicates": {"seeds": 2}},
            "replicates.seeds",
            "beyond",
        ),
        ({"grid": {"training": [{"epochs": 10}, {}]}}, "grid.training", "the same spec"),
        ({"spec": None}, "spec", "missing"),
    ],
)
def test_mistakes(body: dict[str, Any], field: str, words: str) -> None:
    errors = errors_of(**body)
    assert words in errors[field]


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"replicates": {"seeds": 0}}, {"replicates.seeds"}),
        ({"replicates": {"seeds": True, "base_seeds": []}}, {"replicates.seeds", "replicates.base_seeds"}),
        (
            {"replicates": {"seeds": [1, 1], "base_seeds": [-1]}},
            {"replicates.seeds", "replicates.base_seeds"},
        ),
        ({"replicates": {"seeds": [2**63]}}, {"replicates.seeds"}),
        ({"replicates": {"seeds": "5"}, "grid": 3}, {"replicates.seeds", "grid"}),
        ({"grid": {"training.epochs": 3}}, {"grid.training.epochs"}),
        ({"spec": {"training": {"epochs": 0}}, "name": "x" * 201}, {"spec.training.epochs", "name"}),
        ({"experiments": ["nonsense"], "notes": 3}, {"experiments.0", "notes"}),
        ({"sped": {}}, {"sped"}),
        ({"project": " "}, {"project"}),
    ],
)
def test_bad_bodies_name_all_fields(body: dict[str, Any], places: set[str]) -> None:
    with pytest.raises(ValidationError) as refused:
        StudySubmission.model_validate(body)
    assert {".".join(map(str, each["loc"])) for each in refused.value.errors()} == places


def specs_of(study: StudyExpansion) -> dict[str, ExperimentSpec]:
    places = [(cell, seed, base) for cell in study.cells for seed in study.seeds for base in study.base_seeds]
    return {f"{number:016x}": cell.member(seed, base) for number, (cell, seed, base) in enumerate(places)}


def test_experiments_become_the_study_that_they_were() -> None:
    study = expanded(
        replicates={"seeds": 2, "base_seeds": [3, 9]},
        grid={"training.epochs": [3, 1], "network.kind": ["flynet", "neuromodnet"]},
    )
    specs = specs_of(study)
    made, members = gather(specs, {"training.epochs": [3], "network.kind": []})
    assert [cell.values for cell in made.cells] == [cell.values for cell in study.cells]
    assert (made.seeds, made.base_seeds, len(members)) == (study.seeds, study.base_seeds, len(specs))
    for member in members:
        spec = specs[member.experiment_id]
        assert (spec.seed, spec.base_seed) == (member.seed, member.base_seed)
        assert made.cells[member.cell].spec.network == spec.network


def test_other_differences_are_named_all_at_once() -> None:
    specs = specs_of(expanded(replicates={"seeds": 3}))
    first, second, third = specs
    specs[second] = specs[second].model_copy(update={"training": TrainingSpec(epochs=2)})
    specs[third] = specs[third].model_copy(update={"dataset": "mnist", "null_shuffles": 3, "name": "other"})
    with pytest.raises(InvalidSpec) as refused:
        gather(specs, {})
    messages = [message for _, message in refused.value.fields]
    assert [message.split()[0] for message in messages] == ["training.epochs", "dataset"]
    assert "(10, 2)" in messages[0]
    made, _ = gather({id: specs[id] for id in (first, second)}, {"training.epochs": []})
    assert made.grid == {"training.epochs": [10, 2]}
    with pytest.raises(InvalidSpec, match="one replicate"):
        gather({first: specs[first], "f" * 16: specs[first]}, {})
    with pytest.raises(InvalidSpec, match="check the path") as unknown:
        gather(specs, {"trainig.epochs": [], "seed": []})
    assert {field for field, _ in unknown.value.fields} == {"grid.trainig.epochs", "grid.seed"}


def test_further_seeds_follow_the_greatest() -> None:
    assert further_seeds(2, (0, 5, 3), "seeds") == (6, 7)
    assert further_seeds((9, 1), (0,), "seeds") == (9, 1)
    assert further_seeds(None, (0,), "seeds") == ()
    with pytest.raises(InvalidSpec, match="5 is there already"):
        further_seeds((5, 6), (0, 5), "seeds")
