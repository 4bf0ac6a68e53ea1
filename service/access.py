"""Who is let in, and to what: everything but /livez asks here first."""

from __future__ import annotations

import logging

from fastapi import Response
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import Forbidden, NoKey, problem_for
from service.keyring import ANYBODY, Caller, Keyring, shown_key
from service.rates import Rates
from service.settings import ServiceSettings
from tgsh.addresses import is_loopback
from tgsh.errors import TgshError
from tgsh.keys import KeyFile

log = logging.getLogger(__name__)

OPEN = ("/livez",)
READING = ("GET", "HEAD", "OPTIONS")
PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

FIRST_KEY = (
    "no keys are there yet, so that only this machine itself gets in. Make one where the service runs: "
    "`tgsh keys add NAME` (in Docker: docker compose exec service tgsh keys add NAME)"
)


class Access:
    """ASGI middleware: finds out who asks, refuses who may not, and leaves the rest in `state.caller`."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._keyring = Keyring(KeyFile(settings.keys_file), settings.stack_key_sha256)
        self._allow_no_keys = settings.allow_no_keys
        self._rates = Rates(settings.requests_a_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what is allowed; answer the rest with a problem document."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            request = Request(scope)
            try:
                _refuse_other_sites(request)
                caller = self._caller(request)
                self._require_role(caller, request.method)
                request.state.caller = caller
                request.state.in_force = lambda: self._is_in_force(caller, request)
            except TgshError as error:
                await _refusal(error, request)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _caller(self, request: Request) -> Caller:
        if request.scope["path"] in OPEN and request.method in READING:
            return ANYBODY
        if not self._keyring.needs_key:
            if not (self._allow_no_keys or _is_local(request)):
                raise Forbidden(FIRST_KEY)
            return ANYBODY
        return self._keyring.caller(shown_key(request.headers.getlist("authorization")))

    def _require_role(self, caller: Caller, method: str) -> None:
        if caller.name is not None:
            self._rates.take(caller.name)
        if caller.role == "read" and method not in READING:
            raise Forbidden(f"the key of {caller.name} may look only; {method} needs the role submit")

    def _is_in_force(self, caller: Caller, request: Request) -> bool:
        """Whether the request would still be let in as it was: for answers that take long."""
        try:
            return self._caller(request) == caller
        except TgshError:
            return False


def _is_local(request: Request) -> bool:
    """Whether both ends of the connection are this machine's loopback, with no proxy in between."""
    ends = (request.client and request.client.host, (request.scope.get("server") or (None,))[0])
    proxied = any(name in request.headers for name in PROXIED)
    return not proxied and all(end and is_loopback(end) for end in ends)


def _refuse_other_sites(request: Request) -> None:
    """A browser sends along a password that it knows, and reaches loopback, whichever page asks it to.

    Raises Forbidden for what a page of another site asks for, but for a link that a person follows here.
    """
    site = request.headers.get("sec-fetch-site", "none")
    followed = request.headers.get("sec-fetch-mode") == "navigate" and request.method in READING
    if site not in ("none", "same-origin") and not followed:
        raise Forbidden(f"a page of another site asked for this (Sec-Fetch-Site: {site[:20]})")
    origin = request.headers.get("origin")
    if origin is None or request.method in READING:
        return
    # The scheme is not compared: behind a proxy that speaks TLS, this service does not know it.
    if origin.partition("://")[2].lower() != request.headers.get("host", "").lower():
        raise Forbidden(f"a page of another site asked for this (Origin: {origin[:200]})")


def _refusal(error: TgshError, request: Request) -> Response:
    response = problem_for(error, request.scope["path"])
    if isinstance(error, NoKey):
        response.headers["WWW-Authenticate"] = 'Bearer realm="tgsh"'
        if "text/html" in request.headers.get("accept", ""):  # a browser, that can ask a person
            response.headers.append("WWW-Authenticate", 'Basic realm="tgsh", charset="UTF-8"')
    log.log(
        logging.ERROR if response.status_code >= 500 else logging.INFO,
        "%s %s: %d %s",
        request.method,
        ascii(request.scope["path"]),
        response.status_code,
        type(error).__name__,  # not its words: they repeat what was sent
    )
    return response
