"""Webhooks: hosts that they may go to, and their signatures by the rules of standardwebhooks.com."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from tgsh.errors import MachineProblem

MAX_URL = 2_000

KEY_PREFIX = "whsec_"

KEY_BYTES = 32

EMBEDDING = ip_network("64:ff9b::/96")
"""Addresses of translators between IPv6 and IPv4: global by themselves, whatever they hold."""

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class AllowedHosts:
    """Hosts that the administrator allows. networks: named addresses, which may be private ones."""

    names: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> AllowedHosts:
        """Hosts of a list of names, addresses and networks."""
        names, networks = set(), []
        for entry in entries:
            try:
                networks.append(ip_network(entry))
            except ValueError:
                names.add(entry.lower().rstrip("."))
        return cls(frozenset(names), tuple(networks))

    def refusal(self, url: str) -> str | None:
        """Reason why a URL may not be a webhook; None where it may. Looks nothing up."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            return f"is no URL: {error}"
        if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
            return f"must be a URL of at most {MAX_URL:,} ASCII characters"
        if parts.scheme not in ("https", "http") or not host or port == 0:
            return "must be a URL such as https://hooks.example.org/tgsh"
        if parts.username is not None or parts.password is not None or parts.fragment:
            return "must have no user name, password or fragment"
        if not self.names and not self.networks:
            return "goes nowhere: the administrator allows no host; TGSH_WEBHOOK_HOSTS names some"
        if not self._names(host):
            return f"goes to {host}, which the administrator does not allow: see TGSH_WEBHOOK_HOSTS"
        return None

    def permits(self, address: str) -> bool:
        """True for a public address, and for any that is named."""
        found: Address = ip_address(address.partition("%")[0])
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        if any(found.version == network.version and found in network for network in self.networks):
            return True
        embedded = isinstance(found, IPv6Address) and (
            found in EMBEDDING or found.sixtofour is not None or found.teredo is not None
        )
        return found.is_global and not found.is_multicast and not embedded

    def _names(self, host: str) -> bool:
        try:
            literal = ip_address(host)
        except ValueError:
            return host.lower().rstrip(".") in self.names
        return any(literal.version == each.version and literal in each for each in self.networks)


def signing_key(path: Path, *, create: bool) -> bytes | None:
    """Key that signs webhooks.

    Parameters
    ----------
    path : Path
        File of the key, readable by its owner only: ``whsec_`` and Base64.
    create : bool
        Whether to write one where there is none.

    Returns
    -------
    bytes | None
        The key; None where there is none.

    Raises
    ------
    MachineProblem
        If the file holds no key.
    """
    if not path.exists():
        if not create:
            return None
        text = KEY_PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
        # A link, not a rename: of two processes that begin at once the first wins.
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        Path(draft).unlink()
    text = path.read_text("ascii", "replace").strip()
    try:
        if not text.startswith(KEY_PREFIX):
            raise ValueError("another beginning")
        return base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
    except (ValueError, binascii.Error):
        raise MachineProblem(f"{path} holds no key of webhooks; remove it, and another is made") from None


def signed_headers(key: bytes, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Headers that tell the receiver who sends, and when.

    Parameters
    ----------
    key : bytes
        Of `signing_key`.
    message : str
        Id of the message, the same in all attempts.
    timestamp : int
        Seconds since 1970 of this attempt.
    body : bytes
        What is sent.

    Returns
    -------
    dict[str, str]
        ``webhook-id``, ``webhook-timestamp``, and ``webhook-signature``: ``v1,`` and the Base64 of the
        HMAC-SHA256 of id, timestamp and body with dots between them.
    """
    signed = b".".join([message.encode(), str(timestamp).encode(), body])
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{digest}",
    }
