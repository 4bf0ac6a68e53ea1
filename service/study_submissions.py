"""Submissions of studies: their cells and members, and the reasons why nothing can be queued."""

from __future__ import annotations

from service.dependencies import Services, require_visible
from service.fleet import refusal
from service.middleware.auth import Caller
from tgsh.errors import InvalidSpec, QuotaExceeded, TgshError
from tgsh.execution.planning import plan
from tgsh.execution.studies import FindStored, members_of_experiments, plan_members
from tgsh.execution.uploads import seen_by
from tgsh.specs import ExperimentSpec
from tgsh.specs.studies import MAX_MEMBERS, StudyExpansion, StudySubmission, expand, gather
from tgsh.store import queries
from tgsh.store.leases import live_workers
from tgsh.store.maintenance import find_reusable
from tgsh.store.ownership import require_storage_quota
from tgsh.store.studies import PlannedMember


def planned(
    services: Services, caller: Caller, submission: StudySubmission, *, anew: bool = False
) -> tuple[StudyExpansion, list[PlannedMember], TgshError | None]:
    """The cells and members of a submission, and the error where nothing new can be queued.

    Raises InvalidSpec: all that is wrong; NotFound for an experiment that the caller does not see.
    """
    if submission.experiments is not None:
        expansion, members = _gathered(services, caller, submission)
        return expansion, members, None
    uploads = seen_by(services.database, caller.visible_to)
    expansion = expand(submission, lambda spec: plan(spec, uploads))
    find = stored_finder(services, caller, shared=is_shared(submission), anew=anew)
    name = submission.spec.name if submission.spec is not None else ""
    members = plan_members(expansion, uploads, find, name or submission.name)
    return expansion, members, refusal_of(services, caller, expansion)


def _gathered(
    services: Services, caller: Caller, submission: StudySubmission
) -> tuple[StudyExpansion, list[PlannedMember]]:
    ids = submission.experiments or ()
    errors = [
        (field, "is of a spec; experiments have theirs, so leave it out")
        for field in ("spec", "replicates")
        if getattr(submission, field) is not None
    ]
    if not 1 <= len(ids) <= MAX_MEMBERS:
        errors.append(("experiments", f"must be 1 to {MAX_MEMBERS:,}, not {len(ids)}"))
    if len(set(ids)) < len(ids):
        errors.append(("experiments", "names an experiment twice; leave one out"))
    if errors:
        first, *others = errors
        raise InvalidSpec(*first, others)
    for id in ids:
        require_visible(services, caller, id)
    specs = {
        id: ExperimentSpec.model_validate(queries.experiment(services.database, id).record.spec) for id in ids
    }
    expansion, found = gather(specs, submission.grid)
    return expansion, members_of_experiments(found, specs, expansion.cells)


def is_shared(submission: StudySubmission) -> bool:
    """True if the study, or its spec, is to be shared."""
    return submission.shared or (submission.spec is not None and submission.spec.shared)


def priority_of(submission: StudySubmission) -> int:
    """The priority of the study, or else of its spec."""
    return submission.priority or (submission.spec.priority if submission.spec is not None else 0)


def stored_finder(services: Services, caller: Caller, *, shared: bool, anew: bool) -> FindStored:
    """Look-up of completed experiments with the same results; of none where all is to be trained anew."""

    def find(spec: ExperimentSpec) -> str | None:
        if anew:
            return None
        return find_reusable(services.database, services.artifacts, spec, caller.visible_to, shared=shared)

    return find


def refusal_of(services: Services, caller: Caller, expansion: StudyExpansion) -> TgshError | None:
    """The error for new experiments that the caller's share or the workers that live have no room for."""
    if caller.name is not None:
        most = services.settings.max_stored_bytes
        try:
            require_storage_quota(services.database, services.artifacts, caller.name, most)
        except QuotaExceeded as error:
            return error
    workers = live_workers(services.database)
    found: dict[tuple[str, str], None] = {}
    for cell in expansion.cells:
        if (refused := refusal(cell.spec, workers)) is not None:
            found |= dict.fromkeys((f"spec.{field}", message) for field, message in refused.fields)
    if not found:
        return None
    first, *others = found
    return InvalidSpec(*first, others)
