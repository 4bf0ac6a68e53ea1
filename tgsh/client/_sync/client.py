# Generated from tgsh/client/_async/client.py: do not edit. To generate it again:
# python -m tests.architecture.generate_sync
"""Blocking Python client of the REST API."""

from __future__ import annotations

import httpx

from tgsh.client._sync.atlas import AtlasMethods
from tgsh.client._sync.comparisons import ComparisonMethods
from tgsh.client._sync.datasets import DatasetMethods
from tgsh.client._sync.experiments import ExperimentMethods
from tgsh.client._sync.inference import InferenceMethods
from tgsh.client._sync.notebook import NotebookMethods
from tgsh.client._sync.placements import PlacementMethods
from tgsh.client._sync.reports import ReportMethods
from tgsh.client._sync.results import ResultMethods
from tgsh.client._sync.service import ServiceMethods
from tgsh.client._sync.studies import StudyMethods
from tgsh.client._sync.study_results import StudyResultMethods


class Client(
    ExperimentMethods,
    NotebookMethods,
    ResultMethods,
    InferenceMethods,
    PlacementMethods,
    ComparisonMethods,
    StudyMethods,
    StudyResultMethods,
    AtlasMethods,
    ReportMethods,
    DatasetMethods,
    ServiceMethods,
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
    transport : httpx.BaseTransport | None, default=None
        Transport of httpx, such as one that calls an application in this process.

    Raises
    ------
    ServiceUnreachable
        If `url` is not a URL.

    Examples
    --------
    >>> with Client() as client:
    ...     submitted = client.submit("demo")
    ...     experiment = client.wait(submitted.id)
    ...     similarity = client.similarity(experiment.id)
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, key, timeout, transport)
