"""The plan: what is run for each dataset, and that every claim is about something that is run."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest

from tgsh.reproduce.claims import paper_claims
from tgsh.reproduce.claims.similarity import EPOCHS
from tgsh.reproduce.plan import TAG, DatasetChoice, planned_experiments
from tgsh.specs.presets import PRESETS

DATASETS: tuple[DatasetChoice, ...] = get_args(DatasetChoice)


@pytest.mark.parametrize("dataset", DATASETS)
def test_names_and_specs_are_told_apart(dataset: DatasetChoice) -> None:
    plan = planned_experiments(dataset)
    assert len({each.name for each in plan}) == len({each.spec.digest() for each in plan}) == len(plan) == 9
    assert {each.spec.base_seed for each in plan} == {0}
    assert all(each.spec.tags == (TAG,) and each.spec.dataset == dataset for each in plan)
    seeds = {each.name: each.spec.seed for each in plan if each.name.startswith("shift")}
    assert seeds["shift-1px-flynet"] != seeds["shift-2px-flynet"]


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_claim_is_about_what_is_run(dataset: DatasetChoice) -> None:
    names = {each.name for each in planned_experiments(dataset)}
    claims = paper_claims(dataset)
    assert Counter(claim.id for claim in claims).most_common(1)[0][1] == 1
    assert {name for claim in claims for name in claim.about} == names
    assert all(claim.where and claim.criterion and claim.expected for claim in claims)


def test_the_full_plan_trains_what_the_presets_train() -> None:
    plan = {each.name: each.spec for each in planned_experiments("mnist")}
    for name, preset in (
        ("shift-1px-flynet", "shift-mnist-1px"),
        ("shift-2px-flynet", "shift-mnist-2px"),
        ("rotation-neuromodnet", "rotation-mnist-neuromodnet"),
        ("rotation-gsh", "rotation-mnist-gsh"),
    ):
        assert plan[name].digest() == PRESETS[preset].digest()  # type: ignore[index]


def test_claims_about_augment_are_read_after_the_papers_epochs() -> None:
    plan = {each.name: each for each in planned_experiments("mnist")}
    assert (plan["augment-flynet"].stage, plan["augment-flynet"].spec.training.epochs) == (3, 12)
    assert plan["augment-flynet"].subject == "flynet, augment, 3 epochs"
    assert plan["shift-2px-neuromodnet"].subject == "neuromodnet, shift 2 px, 3 epochs"


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_course_is_trained_to_its_end(dataset: DatasetChoice) -> None:
    augment = next(each for each in planned_experiments(dataset) if each.name == "augment-flynet")
    assert EPOCHS[dataset][-1] == augment.spec.training.epochs
    assert augment.stage in EPOCHS[dataset]


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_baseline_is_run_too(dataset: DatasetChoice) -> None:
    plan = planned_experiments(dataset)
    beside = {figure.baseline for each in plan for figure in each.figures if figure.baseline}
    assert beside == {"rotation-gsh"} <= {each.name for each in plan}
