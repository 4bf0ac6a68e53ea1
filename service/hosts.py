"""For which hosts requests are answered: a page elsewhere must not reach this API under a name of its own.

Such a page can let its own name mean this machine's address (DNS rebinding), and its scripts would then be
of the same origin as the API. The name that they ask for gives them away.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import WrongHost, problem_for
from service.settings import ServiceSettings
from tgsh.addresses import is_everywhere, is_loopback

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?")


class Hosts:
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
