"""Host allow-list, API keys, roles, request quotas."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Response
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import Forbidden, NoKey, WrongHost, problem_for
from service.settings import ServiceSettings
from tgsh.api_keys import Key, KeyFile, Role, digest, find
from tgsh.errors import KeysUnreadable, QuotaExceeded, TgshError
from tgsh.system import is_everywhere, is_loopback

HOW = (
    "send it as `Authorization: Bearer …`, in TGSH_API_KEY, or as the password in a browser; "
    "`tgsh keys add NAME` makes one where the service runs"
)


@dataclass(frozen=True)
class Caller:
    """Who asks. name: the key's, to which experiments belong; None where nobody needs a key."""

    name: str | None
    role: Role

    @property
    def visible_to(self) -> str | None:
        """Whose list of experiments it sees; None: everybody's."""
        return None if self.role == "admin" else self.name

    def sees(self, owner: str | None, shared: bool) -> bool:
        """Whether an experiment is there for it. What has no owner, everybody sees."""
        return self.role == "admin" or shared or owner in (None, self.name)

    def may_change(self, owner: str | None) -> bool:
        """Whether it may cancel, resume, share or delete an experiment."""
        return self.role == "admin" or (self.role == "submit" and owner == self.name)


ANYBODY = Caller(None, "admin")


class Keyring:
    """The keys of a file, read again when it changes. What cannot be read lets nobody in.

    own_sha256: the hash of one more key, of whoever started this process.
    """

    def __init__(self, file: KeyFile, own_sha256: str | None = None) -> None:
        self._file = file
        self._own_sha256 = own_sha256
        self._version: tuple[int, int, int] | None = None
        self._keys: tuple[Key, ...] | None = None

    @property
    def needs_key(self) -> bool:
        """Whether there is a file of keys. Raises KeysUnreadable."""
        return self._current() is not None

    def caller(self, shown: str) -> Caller:
        """Who shows this key. Raises NoKey, KeysUnreadable."""
        keys = self._current() or ()
        if self._own_sha256 is not None and hmac.compare_digest(self._own_sha256, digest(shown)):
            return ANYBODY
        key = find(keys, shown)
        if key is None:
            raise NoKey(f"the key is not one of this service's, or was revoked: {HOW}")
        if key.is_expired():
            raise NoKey(f"the key of {key.name} expired on {key.expires_at:%Y-%m-%d}; ask for a new one")
        return Caller(key.name, key.role)

    def _current(self) -> tuple[Key, ...] | None:
        try:
            status = self._file.path.stat()
        except FileNotFoundError:
            if self._version is None:
                return None
            # A volume that is gone must not open the door; whoever means it starts the service anew.
            raise KeysUnreadable(f"{self._file.path} is gone; put it back, or restart the service") from None
        except OSError as error:
            raise KeysUnreadable(f"{self._file.path} cannot be read: {error.strerror}") from error
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        if version != self._version:
            self._keys = self._file.read()
            self._version = version
        return self._keys


def shown_key(authorization: list[str]) -> str:
    """The key in the Authorization headers: a bearer, or the password of HTTP Basic. Raises NoKey."""
    if len(authorization) != 1:
        raise NoKey(f"the request shows no key: {HOW}" if not authorization else "several keys are none")
    scheme, _, value = authorization[0].partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            raise NoKey("the Authorization header is no HTTP Basic") from None
    raise NoKey(f"the Authorization header is neither Bearer nor Basic: {HOW}")


MINUTE = 60.0


class RequestQuota:
    """A bucket of a minute's requests for every name, filled again steadily. Each process has its own."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_minute = a_minute
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # requests left, and when that was so

    def take(self, name: str) -> None:
        """One request more. Raises QuotaExceeded."""
        now = self._clock()
        left, at = self._buckets.get(name, (float(self._a_minute), now))
        left = min(float(self._a_minute), left + (now - at) * self._a_minute / MINUTE)
        if left < 1:
            self._buckets[name] = (left, now)
            wait = math.ceil((1 - left) * MINUTE / self._a_minute)
            raise QuotaExceeded(f"{self._a_minute} requests a minute are the most for {name}", wait)
        self._buckets[name] = (left - 1, now)


log = logging.getLogger(__name__)

OPEN = ("/livez",)
READING = ("GET", "HEAD", "OPTIONS")
PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

FIRST_KEY = (
    "no keys are there yet, so that only this machine itself gets in. Make one where the service runs: "
    "`tgsh keys add NAME` (in Docker: docker compose exec service tgsh keys add NAME)"
)


class AuthMiddleware:
    """ASGI middleware: finds out who asks, refuses who may not, and leaves the rest in `state.caller`."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._keyring = Keyring(KeyFile(settings.keys_file), settings.stack_key_sha256)
        self._allow_no_keys = settings.allow_no_keys
        self._rates = RequestQuota(settings.requests_a_minute)

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


_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?")


class AllowedHostsMiddleware:
    """ASGI middleware: answers 421 to requests for hosts that are not in the list, whatever their method.

    In it are this machine's loopback names, where the service listens, and TGSH_ALLOWED_HOSTS.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        own = () if is_everywhere(settings.host) else (settings.host.lower(),)
        self._allowed = {*own, *settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what is for us."""
        if scope["type"] == "http" and not self._is_ours(scope):
            shown = Headers(scope=scope).get("host", "")
            error = WrongHost(
                f"{shown[:200]!r} is no name of this service; where it is one, add it to TGSH_ALLOWED_HOSTS"
            )
            await problem_for(error, scope["path"])(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        given = Headers(scope=scope).getlist("host")
        if len(given) != 1:
            return False
        name = host_of(given[0])
        address, _ = scope.get("server") or ("", None)  # where it was reached: no DNS was asked for that
        return name in self._allowed or is_loopback(name) or name == address


def host_of(header: str) -> str:
    """The host in a Host header, in small letters, without port and brackets; empty where it is malformed.

    What has a path or a user in it is malformed: addresses that are put together of it would lead elsewhere.
    """
    found = _HOST.fullmatch(header)
    return (found[1] or found[2]).lower() if found else ""
