"""Asynchronous Python client of the REST API."""

from __future__ import annotations

import httpx

from tgsh.client._async.atlas import AsyncAtlasMethods
from tgsh.client._async.comparisons import AsyncComparisonMethods
from tgsh.client._async.datasets import AsyncDatasetMethods
from tgsh.client._async.experiments import AsyncExperimentMethods
from tgsh.client._async.inference import AsyncInferenceMethods
from tgsh.client._async.notebook import AsyncNotebookMethods
from tgsh.client._async.placements import AsyncPlacementMethods
from tgsh.client._async.reports import AsyncReportMethods
from tgsh.client._async.results import AsyncResultMethods
from tgsh.client._async.service import AsyncServiceMethods
from tgsh.client._async.studies import AsyncStudyMethods
from tgsh.client._async.study_results import AsyncStudyResultMethods


class AsyncClient(
    AsyncExperimentMethods,
    AsyncNotebookMethods,
    AsyncResultMethods,
    AsyncInferenceMethods,
    AsyncPlacementMethods,
    AsyncComparisonMethods,
    AsyncStudyMethods,
    AsyncStudyResultMethods,
    AsyncAtlasMethods,
    AsyncReportMethods,
    AsyncDatasetMethods,
    AsyncServiceMethods,
):
    """Connection to the service; use it as a context manager.

    Every method raises ServiceUnreachable if no service responds at the URL, and ServiceProblem if the
    service refuses the request. Requests that may be repeated are sent again after a lost connection, and
    event streams resume where they broke off, so that a client survives a restart of the service.

    In place of an experiment's or a study's id its beginning will do, in place of a dataset's also its name;
    NotFound is raised if none or several fit.

    Parameters
    ----------
    url : str | None, default=None
        Base URL; None uses TGSH_URL, else http://127.0.0.1:8000.
    key : str | None, default=None
        API key, sent as bearer token; None uses TGSH_API_KEY.
    timeout : float, default=30.0
        Seconds to wait for a response.
    transport : httpx.AsyncBaseTransport | None, default=None
        Transport of httpx, such as one that calls an application in this process.

    Raises
    ------
    ServiceUnreachable
        If `url` is not a URL.

    Examples
    --------
    >>> async with AsyncClient() as client:
    ...     submitted = await client.submit("demo")
    ...     experiment = await client.wait(submitted.id)
    ...     similarity = await client.similarity(experiment.id)
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(url, key, timeout, transport)
