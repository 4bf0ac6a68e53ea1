"""The plan: what is run for each dataset, and that every claim is about something that is run."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest

from tgsh.reproduce.claims import paper_claims
from tgsh.reproduce.claims.augment import EPOCHS
from tgsh.reproduce.claims.base import REASONS
from tgsh.reproduce.plan import START_SUFFIXES, TAG, DatasetChoice, planned_experiments
from tgsh.specs.presets import PRESETS

DATASETS: tuple[DatasetChoice, ...] = get_args(DatasetChoice)


@pytest.mark.parametrize("dataset", DATASETS)
def test_names_and_specs_are_told_apart(dataset: DatasetChoice) -> None:
    plan = planned_experiments(dataset)
    assert len({each.name for each in plan}) == len({each.spec.digest() for each in plan}) == len(plan) == 13
    assert all(each.spec.tags == (TAG,) and each.spec.dataset == dataset for each in plan)
    specs = {each.name: each.spec for each in plan}
    fine, coarse = specs["shift-1px-flynet"], specs["shift-2px-flynet"]
    assert fine.seed != coarse.seed
    assert fine.base_seed != coarse.base_seed
    by_name = {each.name: each for each in plan}
    for count in (1, 3):
        assert not {*by_name["shift-1px-flynet"].seeds(count)} & {*by_name["shift-2px-flynet"].seeds(count)}
    assert all(each.seeds(1) == (each.spec.seed,) == (each.spec.base_seed,) for each in plan)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_claim_is_about_what_is_run(dataset: DatasetChoice) -> None:
    names = {each.name for each in planned_experiments(dataset)}
    claims = paper_claims(dataset)
    assert Counter(claim.id for claim in claims).most_common(1)[0][1] == 1
    assert {name for claim in claims for name in claim.about} == names
    assert all(claim.where and claim.criterion and claim.expected and claim.decided_by for claim in claims)
    assert all(claim.reason(verdict).endswith(".") for claim in claims for verdict in REASONS)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_claim_is_judged_beside_contexts_that_should_not_meet_it(dataset: DatasetChoice) -> None:
    without = {claim.id for claim in paper_claims(dataset) if claim.control is None}
    assert {id.partition(".")[0] for id in without} == {"adjacent-update", "half-turn-update"}, (
        "before training there is no update to compare"
    )
    about_the_start = {
        claim.id.partition(".")[0] for claim in paper_claims(dataset) if claim.contrast == "trained"
    }
    assert about_the_start == {"before-near-zero"}


def test_only_independent_starts_are_asked_to_be_near_zero_before_training() -> None:
    plan = {each.name: each.spec.network for each in planned_experiments("mnist5k")}
    asked = [
        plan[name] for claim in paper_claims("mnist5k") if "near-zero" in claim.id for name in claim.about
    ]
    assert {network.start for network in asked} == {"independent"}  # type: ignore[union-attr]
    starts = [plan[f"rotation-neuromodnet{suffix}"].start for suffix in START_SUFFIXES]  # type: ignore[union-attr]
    assert starts == ["independent", "common", "ones"]


def test_the_full_plan_trains_what_the_presets_train() -> None:
    plan = {each.name: each.spec for each in planned_experiments("mnist")}
    for name, preset in (
        ("shift-1px-flynet", "shift-mnist-1px"),
        ("rotation-neuromodnet", "rotation-mnist-neuromodnet"),
        ("rotation-gsh", "rotation-mnist-gsh"),
    ):
        assert plan[name].digest() == PRESETS[preset].digest()  # type: ignore[index]


def test_claims_about_augment_are_read_after_the_papers_epochs() -> None:
    plan = {each.name: each for each in planned_experiments("mnist")}
    assert (plan["augment-flynet"].stage, plan["augment-flynet"].spec.training.epochs) == (3, 12)
    assert plan["augment-flynet"].subject == "flynet, augment, 3 epochs"
    assert plan["augment-flynet-none"].subject == "flynet, augment, 3 epochs, pixels 0 to 1"
    assert plan["shift-2px-neuromodnet"].subject == "neuromodnet, shift 2 px, 3 epochs"


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_course_is_trained_to_its_end(dataset: DatasetChoice) -> None:
    augments = [each for each in planned_experiments(dataset) if each.name.startswith("augment-flynet")]
    assert {each.spec.normalisation for each in augments} == {"auto", "none"}
    for augment in augments:
        assert EPOCHS[dataset][-1] == augment.spec.training.epochs
        assert augment.stage in EPOCHS[dataset]


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_baseline_is_run_too(dataset: DatasetChoice) -> None:
    plan = planned_experiments(dataset)
    beside = {figure.baseline for each in plan for figure in each.figures if figure.baseline}
    assert beside == {"rotation-gsh"} <= {each.name for each in plan}
