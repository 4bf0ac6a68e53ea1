"""The keys in force, and who shows one of them."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass

from service.errors import NoKey
from tgsh.errors import KeysUnreadable
from tgsh.keys import Key, KeyFile, Role, digest, find

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
