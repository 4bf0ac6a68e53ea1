"""Delivery of webhooks that are due: a thread of a worker's parent, as receivers may take their time."""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from socket import SOCK_STREAM
from socket import getaddrinfo as look_up
from urllib.parse import urlsplit

import httpx

from tgsh.store import webhooks
from tgsh.store.database import Database
from tgsh.store.webhooks import WAITS, DueWebhook
from tgsh.webhooks import AllowedHosts, signed_headers, signing_key

TIMEOUT = httpx.Timeout(10.0)

GONE = 410
"""Answer of a receiver that wants no more."""

log = logging.getLogger(__name__)


class WebhookDelivery:
    """Attempts that are due, each time. key: the file of the key that signs them."""

    def __init__(
        self, database: Database, hosts: Sequence[str], key: Path, waits: Sequence[float] = WAITS
    ) -> None:
        self._database = database
        self._hosts = AllowedHosts.parse(hosts)
        self._key = key
        self._waits = waits
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin a round unless one is under way."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            webhooks.forget(self._database)
            self.deliver()
        except Exception as error:
            log.warning("webhooks go on at the next sweep: %s: %s", type(error).__name__, error)

    def deliver(self) -> int:
        """One round; how many attempts there were."""
        attempts = webhooks.claim(self._database)
        for attempt in attempts:
            reason, response = self._attempt(attempt)
            is_final = response == GONE
            webhooks.note_outcome(
                self._database, attempt, reason, response, is_final=is_final, waits=self._waits
            )
            if reason is not None:
                log.warning("webhook %s, attempt %d: %s", attempt.id, attempt.attempt, reason)
        return len(attempts)

    def _attempt(self, attempt: DueWebhook) -> tuple[str | None, int | None]:
        """Reason of the failure, None for a success, and the HTTP status of the answer."""
        refusal = self._hosts.refusal(attempt.url)
        if refusal is not None:  # the administrator has changed the list
            return f"the URL {refusal}", None
        parts = urlsplit(attempt.url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        try:
            address = self._address(host, port)
            key = signing_key(self._key, create=True) or b""
            body = json.dumps(attempt.document, ensure_ascii=False).encode()
            headers = {
                **signed_headers(key, attempt.message, int(time.time()), body),
                "Content-Type": "application/json",
                "User-Agent": f"tgsh/{version('tgsh')}",
                "Host": parts.netloc,
            }
            # To the address that was checked, whatever the name leads to by now; certificates are the name's.
            target = httpx.URL(attempt.url).copy_with(host=address)
            with (
                httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as http,
                http.stream(
                    "POST", target, content=body, headers=headers, extensions={"sni_hostname": host}
                ) as response,
            ):
                status = response.status_code
        except (OSError, httpx.HTTPError, ssl.SSLError, UnicodeError) as error:
            return f"{type(error).__name__}: {error}"[:500], None
        if 200 <= status < 300:
            return None, status
        hint = "; redirects are not followed" if 300 <= status < 400 else ""
        return f"it answered {status}{hint}", status

    def _address(self, host: str, port: int) -> str:
        """An address of the host that may be connected to. Raises OSError where there is none."""
        found = look_up(host, port, type=SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            if self._hosts.permits(address):
                return address
        raise OSError(
            f"{host} is {', '.join(addresses)}: private addresses must be named in TGSH_WEBHOOK_HOSTS"
        )
