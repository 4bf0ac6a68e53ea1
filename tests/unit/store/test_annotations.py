"""What people say of an experiment, who changed it, and finding it by any of that and by its spec."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.jobs import submitted
from tgsh.errors import Conflict, InvalidSpec, NotFound
from tgsh.specs import ExperimentSpec, NeuroModNetSpec, TrainingSpec
from tgsh.specs.base import MAX_TAGS
from tgsh.specs.paths import field_paths, later_default, require_field, texts_of
from tgsh.store import annotations, experiments, queries
from tgsh.store.annotations import annotate, history, retag
from tgsh.store.database import Database
from tgsh.store.experiments import ExperimentPlan, PlannedTask, Remarks
from tgsh.store.queries import Filters

PLAN = ExperimentPlan([PlannedTask("0°", {})], "b" * 64)


def found(database: Database, **filters: object) -> set[str]:
    snapshots = queries.experiments(database, Filters(**filters), 50)  # type: ignore[arg-type]
    return {snapshot.record.name for snapshot in snapshots}


def test_changes_are_noted_with_who_made_them_and_no_change_is_none(database: Database) -> None:
    id = submitted(database, name="first", tags=("a", "b"))
    digest = queries.experiment(database, id).record.digest
    annotate(database, id, {"name": "second", "tags": ["b", "c", "b"], "notes": "odd"}, "alice")
    annotate(database, id, {"name": "second", "tags": ["b", "c"], "notes": None, "priority": 3}, "bob")
    record = queries.experiment(database, id).record
    assert (record.name, record.spec["name"], record.spec["tags"]) == ("second", "second", ["b", "c"])
    assert (record.notes, record.priority, record.digest) == (None, 3, digest)
    assert ExperimentSpec.model_validate(record.spec).digest() == digest
    assert [(each.field, each.before, each.after, each.changed_by) for each in history(database, id)] == [
        ("priority", 0, 3, "bob"),
        ("notes", "odd", None, "bob"),
        ("notes", None, "odd", "alice"),
        ("tags", ["a", "b"], ["b", "c"], "alice"),
        ("name", "first", "second", "alice"),
    ]
    assert found(database, tag="c") == {"second"}
    assert found(database, tag="a") == set()
    with pytest.raises(NotFound):
        annotate(database, "f" * 16, {"name": "x"})


def test_tags_are_added_and_removed(database: Database) -> None:
    id = submitted(database, tags=("a", "b"))
    retag(database, id, ["c", "a"], ["b"], None)
    assert queries.experiment(database, id).record.spec["tags"] == ["a", "c"]


def test_the_oldest_changes_are_forgotten(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotations, "MAX_CHANGES", 3)
    id = submitted(database)
    for number in range(5):
        annotate(database, id, {"notes": str(number)})
    assert [each.after for each in history(database, id)] == ["4", "3", "2"]


def test_experiments_are_found_by_what_is_said_of_them(database: Database) -> None:
    id = submitted(database, name="rotations", tags=("pilot",))
    other = submitted(database, name="shifts")
    annotate(database, other, {"notes": "T7 is 100% odd", "project": "thesis"})
    assert found(database, text="PILO") == found(database, text=id[:8]) == {"rotations"}
    assert found(database, text="100%") == found(database, text="thes") == {"shifts"}
    assert found(database, text="1000") == found(database, project="thes") == set()
    assert found(database, project="thesis") == {"shifts"}
    created = queries.experiment(database, other).record.created_at
    assert found(database, created_after=created) == {"shifts"}
    assert found(database, created_before=created) == {"rotations"}


def test_experiments_are_found_by_any_field_of_their_spec(database: Database) -> None:
    for name, spec in {
        "plain": ExperimentSpec(name="plain"),
        "net": ExperimentSpec(
            name="net", network=NeuroModNetSpec(), training=TrainingSpec(epochs=5, learning_rate=1e-8)
        ),
        "matrix": ExperimentSpec(name="matrix", accuracy_matrix=True, training=TrainingSpec(train_limit=100)),
    }.items():
        experiments.submit(database, spec, PLAN, owner=experiments.NO_OWNER, remarks=Remarks(project=name))

    def by(path: str, value: str) -> set[str]:
        return found(database, spec=((path, value),))

    assert by("training.epochs", "5") == by("training.epochs", "5.0") == {"net"}
    assert by("training.learning_rate", "1e-8") == by("training.learning_rate", "0.00000001") == {"net"}
    assert by("training.learning_rate", "0.01") == {"plain", "matrix"}
    assert by("accuracy_matrix", "true") == {"matrix"}
    assert by("accuracy_matrix", "false") == {"plain", "net"}
    assert by("training.train_limit", "null") == {"plain", "net"}
    assert by("normalisation", "auto") == {"plain", "net", "matrix"}
    assert by("network.layers.0", "1024") == by("network.kind", "neuromodnet") == {"net"}
    assert found(database, network="flynet") == {"plain", "matrix"}
    assert found(database, network="flynet", spec=(("training.train_limit", "100"),)) == {"matrix"}
    assert by("dataset", "' OR 1=1 --") == set()


def test_what_earlier_versions_left_out_counts_as_its_default(database: Database) -> None:
    id = submitted(database, name="old")
    with database.write() as session:
        record = session.get_one(experiments.ExperimentRecord, id)
        record.spec = {key: value for key, value in record.spec.items() if key != "normalisation"}
    assert found(database, spec=(("normalisation", "auto"),)) == {"old"}
    assert found(database, spec=(("normalisation", "none"),)) == set()


def test_paths_of_fields() -> None:
    assert {"training.epochs", "suite.kind", "suite.tasks.transforms.kind", "dataset.id"} <= set(
        field_paths()
    )
    assert later_default("network.start") == "independent"
    assert texts_of("3") == {"3", "3.0"}
    require_field("suite.tasks.0.transforms", "spec.suite")
    for path, hint in (("epochs", "training.epochs"), ("training.colour", "training.epochs")):
        with pytest.raises(InvalidSpec, match=hint):
            require_field(path, "field")


def test_a_tag_too_many_is_refused_and_changes_nothing(database: Database) -> None:
    tags = tuple(f"tag {number}" for number in range(MAX_TAGS))
    id = submitted(database, tags=tags)
    with pytest.raises(Conflict, match="32 tags"):
        retag(database, id, ["one more"], [], None)
    retag(database, id, ["tag 3"], [], None)  # it has that one
    retag(database, id, ["one more"], ["tag 0"], None)
    spec = ExperimentSpec.model_validate(queries.experiment(database, id).record.spec)
    assert spec.tags == (*tags[1:], "one more")


def test_tags_that_are_added_at_once_are_all_there(database: Database) -> None:
    id = submitted(database, tags=())
    names = [f"tag {number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: retag(database, id, [name], [], None), names))
    assert sorted(queries.experiment(database, id).record.spec["tags"]) == names
