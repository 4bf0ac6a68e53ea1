"""API keys: roles, expiry, hashed key file."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tgsh.errors import Conflict, InvalidSpec, KeysUnreadable, NotFound

Role = Literal["read", "submit", "admin"]
"""read: GET only. submit: experiments of one's own, too. admin: everything of everybody."""

KeyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]

PREFIX = "tgsh_"  # lets scanners of repositories and logs find a key that leaked
RANDOM_BYTES = 24


class Key(BaseModel):
    """What is kept of a key. Experiments belong to its name, so that a new key of that name has them too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: KeyName
    role: Role
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None

    def is_expired(self, at: datetime | None = None) -> bool:
        """Whether its time is over, at this moment unless told another."""
        return self.expires_at is not None and self.expires_at <= (at or datetime.now(UTC))


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: tuple[Key, ...]


def new_key() -> str:
    """A new random key."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def digest(key: str) -> str:
    """What is kept of a key: its SHA-256 (hex)."""
    return hashlib.sha256(key.encode()).hexdigest()


def find(keys: Sequence[Key], shown: str) -> Key | None:
    """The key that `shown` is, expired or not. Takes as long whichever it is, and where it is none."""
    found = None
    sha256 = digest(shown)
    for key in keys:
        if hmac.compare_digest(key.sha256, sha256):
            found = key
    return found


class KeyFile:
    """The file with the keys: written whole or not at all, for this user alone, one writer at a time.

    Where the file is there, the API asks for a key, also where it holds none: to revoke the last key locks
    everybody out, and lets nobody in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[Key, ...] | None:
        """The keys; None where no file is there. Raises KeysUnreadable."""
        try:
            return _File.model_validate_json(self.path.read_bytes()).keys
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeysUnreadable(f"{self.path} cannot be read: {error.strerror or error}") from error
        except ValidationError as error:
            raise KeysUnreadable(f"{self.path} is no file of keys: {error.errors()[0]['msg']}") from None

    def add(self, name: str, role: Role, expires_at: datetime | None) -> str:
        """A new key, told this once. Raises InvalidSpec for an odd name, Conflict for a taken one."""
        _check_name(name)
        key = new_key()
        now = datetime.now(UTC).replace(microsecond=0)
        made = Key(name=name, role=role, sha256=digest(key), created_at=now, expires_at=expires_at)
        with self._locked():
            keys = self.read() or ()
            if any(other.name == name for other in keys):
                raise Conflict(f"{name} has a key; take it back first with: tgsh keys revoke {name}")
            self._write((*keys, made))
        return key

    def revoke(self, name: str) -> None:
        """Forget a key. Raises NotFound."""
        with self._locked():
            keys = self.read() or ()
            kept = tuple(key for key in keys if key.name != name)
            if len(kept) == len(keys):
                raise NotFound(f"there is no key {name!r}; `tgsh keys list` shows them all")
            self._write(kept)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, keys: tuple[Key, ...]) -> None:
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".keys-")  # mode 0600
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(_File(keys=keys).model_dump_json(indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
            _give_to_owner(Path(name), self.path.parent)
            Path(name).replace(self.path)
        finally:
            Path(name).unlink(missing_ok=True)


def _check_name(name: str) -> None:
    try:
        TypeAdapter(KeyName).validate_python(name)
    except ValidationError as error:
        raise InvalidSpec(
            "NAME", "has up to 64 letters, digits, or . _ @ -, not one of these first"
        ) from error


def _give_to_owner(path: Path, folder: Path) -> None:
    """What root writes belongs to whom the folder belongs to: the API runs as another user and reads it."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
