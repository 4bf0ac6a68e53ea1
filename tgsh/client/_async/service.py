"""Methods of `AsyncClient` about the service: catalog, estimates, previews, workers and readiness."""

from __future__ import annotations

from urllib.parse import quote

import httpx

from tgsh import schemas
from tgsh.client._async.connection import AsyncConnection
from tgsh.client._requests import (
    ApiRequest,
    Spec,
    get_file,
    parse_model,
    parse_response,
    post_estimate,
    post_preview,
)


class AsyncServiceMethods(AsyncConnection):
    """Catalog, estimates, previews, workers and readiness of the service."""

    async def catalog(self) -> schemas.Catalog:
        """Datasets, suites, networks and presets, with their JSON Schemas.

        Returns
        -------
        schemas.Catalog
            Everything that a spec may name.
        """
        return await self._send(ApiRequest("GET", "/catalog", parse_model(schemas.Catalog)))

    async def estimate(self, spec: Spec) -> schemas.Estimate:
        """Estimate the cost of an experiment on today's workers, without submitting it.

        Parameters
        ----------
        spec : Spec
            Spec, mapping or name of a preset, as for `submit`.

        Returns
        -------
        schemas.Estimate
            Tasks, epochs and seconds, and the queue ahead.
        """
        return await self._send(post_estimate(spec))

    async def preview(self, spec: Spec) -> schemas.Preview:
        """Request images of the tasks of a spec, and read whether they are ready.

        The first call queues a preview job; further calls with the same spec return its status.

        Parameters
        ----------
        spec : Spec
            Spec, mapping or name of a preset, as for `submit`.

        Returns
        -------
        schemas.Preview
            Status, labels of the tasks, and the key for `preview_images`.
        """
        return await self._send(post_preview(spec))

    async def preview_images(self, key: str, format: str = "png") -> bytes:
        """Images of a preview that is ready, as a file.

        Parameters
        ----------
        key : str
            Key of the preview, from `preview`.
        format : str, default='png'
            File format, such as ``"png"``.

        Returns
        -------
        bytes
            Content of the file.
        """
        return await self._send(get_file("/previews/" + quote(key, safe=""), format=format))

    async def workers(self) -> schemas.Workers:
        """Workers with their current jobs, and the queue.

        Returns
        -------
        schemas.Workers
            Workers and queue length.
        """
        return await self._send(ApiRequest("GET", "/workers", parse_model(schemas.Workers)))

    async def ready(self) -> schemas.Readiness:
        """Readiness of the service: each component that it needs, and whether it is available.

        Returns
        -------
        schemas.Readiness
            Result of every check, also of a service that is not ready (status 503).
        """
        request = ApiRequest("GET", "/readyz", parse_model(schemas.Readiness))
        response = await self._exchange(request)
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return request.parse(response)
        return parse_response(request, response)
