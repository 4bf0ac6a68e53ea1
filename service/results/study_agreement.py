"""Agreement of the replicates of a study with a stated geometry, against their noise ceiling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.dependencies import Services
from service.results import base
from service.results.agreement import (
    agree,
    agreement_document,
    geometry_tasks,
    others_of,
    stated_geometries,
    without_evidence,
)
from service.results.similarity import MOST_AT_ONCE
from service.results.study_replicates import (
    CellParams,
    StudyKey,
    cell_warnings,
    check_numbers,
    find_cell,
    matrices,
)
from service.results.warnings import comparison_warnings
from tgsh.networks.registry import shares_base
from tgsh.schemas import AgreementQuestion, Over, StudyGeometryAgreement


def study_agreement(
    services: Services, key: StudyKey, question: AgreementQuestion, level: float, over: Over | None
) -> StudyGeometryAgreement:
    """Agreement of the completed experiments of a cell.

    The caller must be allowed to see the experiments that the question names. Raises NotFound, Conflict where
    no experiment of the cell is completed, InvalidSpec.
    """
    params = CellParams(stage=question.stage, measure=question.measure, layer=question.layer)
    cell = find_cell(services, key, params).content
    base.require_at_most(cell.tasks, MOST_AT_ONCE, "an agreement")
    check_numbers(cell, params, "npy")
    ids = [ref.experiment_id for ref in cell.refs]
    tasks = geometry_tasks(services, ids[0])
    geometry, other = stated_geometries(services, tasks, question)
    values = np.full((len(ids), len(tasks), len(tasks)), np.nan)
    values[np.ix_(range(len(ids)), cell.tasks, cell.tasks)] = matrices(services, cell, params)
    found = agree(services, values, cell.replicates, geometry, other, question, over, level)
    if not shares_base(base.spec_of(services, ids[0]).network):
        found = without_evidence(found)
    document = agreement_document(ids, tasks, question, found, _warnings(services, key, question))
    return StudyGeometryAgreement(
        **document.model_dump(),
        study_id=cell.study_id,
        cell=cell.cell,
        cell_values=dict(cell.values),
        replicates=len(cell.members),
        complete=cell.complete,
        level=level,
        over=found.ceiling.over,
    )


def _warnings(services: Services, key: StudyKey, question: AgreementQuestion) -> Sequence[str]:
    others = list(dict.fromkeys(others_of(question)))
    return [*cell_warnings(services, key), *comparison_warnings(services, others)]
