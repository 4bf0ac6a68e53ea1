"""/estimates: what an experiment would cost, before it is submitted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from service.deps import CallerDep, PartsDep
from service.estimating import estimate
from service.routers.experiments import EXAMPLES
from tgsh.presets import Submission
from tgsh.schemas import Estimate

router = APIRouter(prefix="/estimates", tags=["experiments"])


@router.post("", summary="Estimate what a spec would cost")
def post(
    submission: Annotated[Submission, Body(openapi_examples=EXAMPLES)], parts: PartsDep, caller: CallerDep
) -> Estimate:
    """Nothing is submitted and nothing is written. The body is that of POST /experiments.

    Seconds follow from experiments of the same suite, dataset and network that were trained here, scaled by
    images, epochs and the network's size (`basis` measured), or else from what was measured elsewhere.
    """
    return estimate(parts.database, parts.shelf.info, submission.spec(), caller.visible_to)
