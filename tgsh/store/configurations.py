"""Configurations: what specs of experiments have in common, stored once, for filters and groups by a key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, false, or_, select
from sqlalchemy.orm import Session, aliased

from tgsh.specs.paths import later_default, texts_of
from tgsh.store.insertion import insert_into
from tgsh.store.models import ConfigurationRecord, ExperimentRecord, table_of
from tgsh.store.tag_sets import tag_set_id

OWN_FIELDS = ("name", "tags", "seed", "base_seed")
"""Fields of a spec that are no part of its configuration."""

_SEEDS: Mapping[str, Any] = {"seed": ExperimentRecord.seed, "base_seed": ExperimentRecord.base_seed}

MAX_SEED = 2**63


def columns_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of an experiment that follow from its spec: configuration_id, tag_set_id and the seeds."""
    canonical = json.dumps(configuration_of(spec), sort_keys=True, separators=(",", ":"))
    return {
        "configuration_id": hashlib.sha256(canonical.encode()).hexdigest()[:32],
        "tag_set_id": tag_set_id(spec.get("tags", ())),
        "seed": spec.get("seed"),
        "base_seed": spec.get("base_seed"),
    }


def configuration_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec without the fields of its own."""
    return {key: value for key, value in spec.items() if key not in OWN_FIELDS}


def note_configurations(session: Session, specs: Iterable[Mapping[str, Any]]) -> None:
    """Store the configurations of these specs, where they are not stored yet."""
    found = {columns_of(spec)["configuration_id"]: configuration_of(spec) for spec in specs}
    into = insert_into(session.get_bind().dialect.name, table_of(ConfigurationRecord))
    # In one order, so that two transactions never wait for each other.
    rows = [{"id": id, "spec": found[id]} for id in sorted(found)]
    session.execute(into.on_conflict_do_nothing(), rows)


def has_value(path: str, value: str) -> ColumnElement[bool]:
    """The condition that an experiment's spec has this value, given as text, at a dotted path."""
    if path in _SEEDS:
        numbers = [int(text) for text in texts_of(value) if text.isascii() and text.isdigit()]
        return or_(false(), *(_SEEDS[path] == number for number in numbers[:1] if number < MAX_SEED))
    experiment = aliased(ExperimentRecord)
    by_spec = _says(experiment.spec, path, value)
    if path.split(".")[0] in OWN_FIELDS:
        return ExperimentRecord.id.in_(select(experiment.id).where(by_spec))
    same = select(ConfigurationRecord.id).where(_says(ConfigurationRecord.spec, path, value))
    unknown = select(experiment.id).where(and_(experiment.configuration_id.is_(None), by_spec))
    return or_(ExperimentRecord.configuration_id.in_(same), ExperimentRecord.id.in_(unknown))


def place_of(path: str) -> tuple[str | int, ...]:
    """A dotted path as the databases' JSON functions take it."""
    return tuple(int(part) if part.isdigit() else part for part in path.split("."))


def _says(spec: Any, path: str, value: str) -> ColumnElement[bool]:
    """The condition on JSON; a key that came later may be missing, and has its default then."""
    found = cast(spec[place_of(path)].as_string(), String)
    texts = texts_of(value)
    if value == "null" or later_default(path) in texts:
        return or_(found.in_(texts), found.is_(None))
    return found.in_(texts)
