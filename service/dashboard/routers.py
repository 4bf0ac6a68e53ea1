"""The pages, in one router. They are for people, so that OpenAPI does not list them."""

from __future__ import annotations

from fastapi import APIRouter

from service.dashboard import (
    compare,
    datasets,
    experiment,
    experiment_losses,
    experiment_plots,
    submit,
    table,
    workers,
)

PAGES = (table, submit, experiment, experiment_losses, experiment_plots, compare, workers, datasets)

router = APIRouter(include_in_schema=False)
for page in PAGES:
    router.include_router(page.router)
