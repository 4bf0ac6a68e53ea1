"""What a client asks of the service itself."""

from __future__ import annotations

import httpx

from tgsh import schemas
from tgsh.client import calls
from tgsh.client.calls import Spec
from tgsh.client.conversation import Conversation
from tgsh.client.operations import operation
from tgsh.client.steps import Call, Flow


class Service(Conversation):
    """What the service can do, and whether it can do it now."""

    @operation
    def catalog(self) -> Flow[schemas.Catalog]:
        """Datasets, suites, networks and presets, with their JSON Schemas."""
        return self._ask(Call("GET", "/catalog", calls.model(schemas.Catalog)))

    @operation
    def estimate(self, spec: Spec) -> Flow[schemas.Estimate]:
        """What a spec, as `submit` takes it, would cost on today's workers; nothing is submitted."""
        return self._ask(calls.estimation(spec))

    @operation
    def preview(self, spec: Spec) -> Flow[schemas.Preview]:
        """Have drawn what the tasks of a spec look like; asked again, it says whether that is done."""
        return self._ask(calls.preview(spec))

    @operation
    def preview_images(self, key: str, format: str = "png") -> Flow[bytes]:
        """What a preview shows, as a file, once it is ready. key: as `preview` answered it."""
        return self._ask(calls.preview_images(key, format))

    @operation
    def workers(self) -> Flow[schemas.Workers]:
        """Who works on what, and what waits."""
        return self._ask(Call("GET", "/workers", calls.model(schemas.Workers)))

    @operation
    def ready(self) -> Flow[schemas.Readiness]:
        """What the service has and lacks; a service that is not ready (503) is an answer too."""
        call = Call("GET", "/readyz", calls.model(schemas.Readiness))
        response = yield from self._exchange(call)
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return call.read(response)
        return calls.read(call, response)
