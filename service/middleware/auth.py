"""Allowed hosts, API keys and roles."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import re
from dataclasses import dataclass

from fastapi import Response
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import Forbidden, NoKey, WrongHost, problem_for
from service.middleware.quotas import SharedQuota
from service.settings import ServiceSettings
from tgsh.api_keys import Key, KeyFile, Role, digest, find, key_from_file
from tgsh.errors import KeysUnreadable, TgshError
from tgsh.system import is_everywhere, is_loopback

log = logging.getLogger(__name__)

PUBLIC_PATHS = ("/livez",)
LINKS = "/shared/"
"""Reports by their links, which are secrets of their own."""

METRICS_PATH = "/metrics"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

KEY_HELP = (
    "send it as `Authorization: Bearer …`, in TGSH_API_KEY, or as the password in a browser; "
    "`tgsh keys add NAME` makes one where the service runs"
)

FIRST_KEY_HELP = (
    "no keys are there yet, so that only this machine itself gets in. Make one where the service runs: "
    "`tgsh keys add NAME` (in Docker: docker compose exec service tgsh keys add NAME)"
)

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?")


@dataclass(frozen=True)
class Caller:
    """The author of a request. name: of the API key, which owns experiments; None where no key is needed."""

    name: str | None
    role: Role

    @property
    def visible_to(self) -> str | None:
        """The owner whose experiments are listed; None: all of them."""
        return None if self.role == "admin" else self.name

    def sees(self, owner: str | None, shared: bool) -> bool:
        """True where the caller may see an experiment. Experiments without owner are visible to all."""
        return self.role == "admin" or shared or owner in (None, self.name)

    def may_change(self, owner: str | None) -> bool:
        """True where the caller may cancel, resume, share or delete an experiment."""
        return self.role == "admin" or (self.role == "submit" and owner == self.name)


ANONYMOUS = Caller(None, "admin")
METRICS_READER = Caller(None, "read")


class Keyring:
    """The API keys of a file, read again when it changes. An unreadable file admits nobody.

    stack_key_sha256: the hash of one more key, that of `tgsh up`.
    """

    def __init__(self, file: KeyFile, stack_key_sha256: str | None = None) -> None:
        self._file = file
        self._stack_key_sha256 = stack_key_sha256
        self._version: tuple[int, int, int] | None = None
        self._keys: tuple[Key, ...] | None = None

    @property
    def needs_key(self) -> bool:
        """True where there is a key file. Raises KeysUnreadable."""
        return self._current() is not None

    def caller(self, secret: str) -> Caller:
        """The caller with this key. Raises NoKey, KeysUnreadable."""
        keys = self._current() or ()
        if self._stack_key_sha256 is not None and hmac.compare_digest(self._stack_key_sha256, digest(secret)):
            return ANONYMOUS
        key = find(keys, secret)
        if key is None:
            raise NoKey(f"the key is not one of this service's, or was revoked: {KEY_HELP}")
        if key.is_expired():
            raise NoKey(f"the key of {key.name} expired on {key.expires_at:%Y-%m-%d}; ask for a new one")
        return Caller(key.name, key.role)

    def _current(self) -> tuple[Key, ...] | None:
        try:
            status = self._file.path.stat()
        except FileNotFoundError:
            if self._version is None:
                return None
            # A volume that disappears must not admit everybody; deleting all keys takes a restart.
            raise KeysUnreadable(f"{self._file.path} is gone; put it back, or restart the service") from None
        except OSError as error:
            raise KeysUnreadable(f"{self._file.path} cannot be read: {error.strerror}") from error
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        if version != self._version:
            self._keys = self._file.read()
            self._version = version
        return self._keys


def key_in(authorization: list[str]) -> str:
    """The key in the Authorization headers: a bearer, or the password of HTTP Basic. Raises NoKey."""
    if len(authorization) != 1:
        raise NoKey(f"the request shows no key: {KEY_HELP}" if not authorization else "several keys are none")
    scheme, _, value = authorization[0].partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            raise NoKey("the Authorization header is no HTTP Basic") from None
    raise NoKey(f"the Authorization header is neither Bearer nor Basic: {KEY_HELP}")


class AuthMiddleware:
    """ASGI middleware: authenticates a request and authorises its method.

    Sets `request.state.caller`, and `request.state.is_authenticated`, a function for long responses that
    tells if the key is still valid.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings, quota: SharedQuota) -> None:
        self._app = app
        self._keyring = Keyring(KeyFile(settings.keys_file), settings.stack_key_sha256)
        self._metrics_sha256 = _metrics_sha256(settings)
        self._allow_no_keys = settings.allow_no_keys
        self._quota = quota

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed; respond to the rest with a problem document."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            request = Request(scope)
            try:
                _refuse_cross_site(request)
                caller = self._caller(request)
                if caller.name is not None:
                    await self._quota.take(caller.name)
                _require_role(caller, request.method)
                request.state.caller = caller
                request.state.is_authenticated = lambda: self._is_still(caller, request)
            except TgshError as error:
                await _refuse(error, request)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _caller(self, request: Request) -> Caller:
        path = request.scope["path"]
        if (path in PUBLIC_PATHS or path.startswith(LINKS)) and request.method in SAFE_METHODS:
            return ANONYMOUS
        if self._may_read_metrics(request):
            return METRICS_READER
        if not self._keyring.needs_key:
            if not (self._allow_no_keys or _is_local(request)):
                raise Forbidden(FIRST_KEY_HELP)
            return ANONYMOUS
        return self._keyring.caller(key_in(request.headers.getlist("authorization")))

    def _may_read_metrics(self, request: Request) -> bool:
        """True for /metrics with the key that opens nothing else."""
        shown = request.headers.getlist("authorization")
        if self._metrics_sha256 is None or request.scope["path"] != METRICS_PATH or not shown:
            return False
        try:
            return hmac.compare_digest(self._metrics_sha256, digest(key_in(shown)))
        except NoKey:
            return False

    def _is_still(self, caller: Caller, request: Request) -> bool:
        try:
            return self._caller(request) == caller
        except TgshError:
            return False


def _metrics_sha256(settings: ServiceSettings) -> str | None:
    """Hash of the key of TGSH_METRICS_KEY_FILE; a file that is of no use stops nobody but Prometheus."""
    if settings.metrics_key_file is None:
        return None
    try:
        return digest(key_from_file(settings.metrics_key_file.absolute()))
    except KeysUnreadable as error:
        log.error("TGSH_METRICS_KEY_FILE: %s; %s needs a key of another file", error, METRICS_PATH)
        return None


def _require_role(caller: Caller, method: str) -> None:
    if caller.role == "read" and method not in SAFE_METHODS:
        raise Forbidden(f"the key of {caller.name} may look only; {method} needs the role submit")


def _is_local(request: Request) -> bool:
    """True where both ends of the connection are loopback addresses, with no proxy in between."""
    ends = (request.client and request.client.host, (request.scope.get("server") or (None,))[0])
    proxied = any(name in request.headers for name in PROXY_HEADERS)
    return not proxied and all(end and is_loopback(end) for end in ends)


def _refuse_cross_site(request: Request) -> None:
    """Raises Forbidden for requests of pages of other sites, except links that a person follows.

    A browser sends a stored password, and reaches loopback addresses, on behalf of any page.
    """
    site = request.headers.get("sec-fetch-site", "none")
    is_navigation = request.headers.get("sec-fetch-mode") == "navigate" and request.method in SAFE_METHODS
    if site not in ("none", "same-origin") and not is_navigation:
        raise Forbidden(f"a page of another site asked for this (Sec-Fetch-Site: {site[:20]})")
    origin = request.headers.get("origin")
    if origin is None or request.method in SAFE_METHODS:
        return
    # The scheme is not compared: behind a TLS proxy the service does not know it.
    if origin.partition("://")[2].lower() != request.headers.get("host", "").lower():
        raise Forbidden(f"a page of another site asked for this (Origin: {origin[:200]})")


def _refuse(error: TgshError, request: Request) -> Response:
    response = problem_for(error, request.scope["path"])
    if isinstance(error, NoKey):
        response.headers["WWW-Authenticate"] = 'Bearer realm="tgsh"'
        if "text/html" in request.headers.get("accept", ""):  # a browser, which prompts for a password
            response.headers.append("WWW-Authenticate", 'Basic realm="tgsh", charset="UTF-8"')
    log.log(
        logging.ERROR if response.status_code >= 500 else logging.INFO,
        "%s %s: %d %s",
        request.method,
        ascii(request.scope["path"]),
        response.status_code,
        type(error).__name__,  # not its message, which may repeat what was sent
    )
    return response


class AllowedHostsMiddleware:
    """ASGI middleware: responds with 421 to requests for any other host.

    Allowed are loopback names, the address on which the service listens, and TGSH_ALLOWED_HOSTS.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        listening = () if is_everywhere(settings.host) else (settings.host.lower(),)
        self._allowed = {*listening, *settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests for an allowed host."""
        if scope["type"] == "http" and not self._is_allowed(scope):
            host = Headers(scope=scope).get("host", "")
            error = WrongHost(
                f"{host[:200]!r} is no name of this service; where it is one, add it to TGSH_ALLOWED_HOSTS"
            )
            await problem_for(error, scope["path"])(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        hosts = Headers(scope=scope).getlist("host")
        if len(hosts) != 1:
            return False
        name = host_of(hosts[0])
        address, _ = scope.get("server") or ("", None)  # the address that was reached, without DNS
        return name in self._allowed or is_loopback(name) or name == address


def host_of(header: str) -> str:
    """The host of a Host header in lower case, without port and brackets; empty where it is malformed.

    A path or a user makes it malformed: URLs built with it would lead elsewhere.
    """
    match = _HOST.fullmatch(header)
    return (match[1] or match[2]).lower() if match else ""
