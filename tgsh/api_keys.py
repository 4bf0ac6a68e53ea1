"""API keys: roles, expiry, and the key file, which holds hashes only."""

from __future__ import annotations

import contextlib
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
from tgsh.specs.validation import problems_of

Role = Literal["read", "submit", "admin"]
"""read: GET only. submit: experiments of one's own, too. admin: everything of everybody."""

KeyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]

PREFIX = "tgsh_"  # lets scanners of repositories and logs find a key that leaked
RANDOM_BYTES = 24


class Key(BaseModel):
    """Stored entry of a key. Experiments belong to its name: a new key of that name owns them too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: KeyName
    role: Role
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None

    def is_expired(self, at: datetime | None = None) -> bool:
        """True if the key has expired at a moment, by default now."""
        return self.expires_at is not None and self.expires_at <= (at or datetime.now(UTC))


class _KeyFileContents(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: tuple[Key, ...]


def new_key() -> str:
    """Generate a random key."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def digest(key: str) -> str:
    """SHA-256 (hex) of a key: the only form in which it is stored."""
    return hashlib.sha256(key.encode()).hexdigest()


def find(keys: Sequence[Key], presented: str) -> Key | None:
    """Look up a presented key, in a time that does not depend on the result.

    Parameters
    ----------
    keys : sequence of Key
        Entries of a key file.
    presented : str
        The key as a caller sent it.

    Returns
    -------
    Key or None
        Its entry, expired or not; None for an unknown key.
    """
    match = None
    sha256 = digest(presented)
    for key in keys:
        if hmac.compare_digest(key.sha256, sha256):
            match = key
    return match


def key_from_file(path: Path) -> str:
    """Read a key from a file of its own, for a program that shows it; make both where there are none.

    Parameters
    ----------
    path : Path
        Where it is made, it can be read by its owner and group (0640): by who is to show it.

    Returns
    -------
    str
        The key.

    Raises
    ------
    KeysUnreadable
        Where the file can be neither read nor made, or holds something else.
    """
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        if not path.exists():
            _make_key_file(path)
        key = path.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise KeysUnreadable(f"{path} can be neither read nor made: {error}") from error
    if not key.startswith(PREFIX):
        raise KeysUnreadable(f"{path} holds no key; remove it, and the next start makes one")
    return key


def _make_key_file(path: Path) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fchmod(file.fileno(), 0o640)
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process of the API was first
            os.link(name, path)
    finally:
        Path(name).unlink()


class KeyFile:
    """Key file: written atomically, readable by its owner only, one writer at a time.

    Where the file exists, the API requires a key, even if the file holds none: to revoke the last key locks
    everybody out.

    Parameters
    ----------
    path : Path
        It need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[Key, ...] | None:
        """Read all entries.

        Returns
        -------
        tuple of Key or None
            None where there is no file.

        Raises
        ------
        KeysUnreadable
            Where there is a file that cannot be read.
        """
        try:
            return _KeyFileContents.model_validate_json(self.path.read_bytes()).keys
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeysUnreadable(f"{self.path} cannot be read: {error.strerror or error}") from error
        except ValidationError as error:
            raise KeysUnreadable(f"{self.path} is no file of keys: {_first_mistake(error)}") from None

    def add(self, name: str, role: Role, expires_at: datetime | None) -> str:
        """Create a key.

        Parameters
        ----------
        name : str
            Up to 64 letters, digits, or ``. _ @ -``.
        role : {"read", "submit", "admin"}
            What the key allows.
        expires_at : datetime or None
            None: never.

        Returns
        -------
        str
            The key. It is not stored, so that it cannot be had again.

        Raises
        ------
        InvalidSpec
            For an invalid name.
        Conflict
            For a name that has a key.
        """
        _check_name(name)
        key = new_key()
        now = datetime.now(UTC).replace(microsecond=0)
        entry = Key(name=name, role=role, sha256=digest(key), created_at=now, expires_at=expires_at)
        with self._locked():
            keys = self.read() or ()
            if any(other.name == name for other in keys):
                raise Conflict(f"{name} has a key; take it back first with: tgsh keys revoke {name}")
            self._write((*keys, entry))
        return key

    def revoke(self, name: str) -> None:
        """Remove the key of a name.

        Raises
        ------
        NotFound
            Where the name has no key.
        """
        with self._locked():
            keys = self.read() or ()
            remaining = tuple(key for key in keys if key.name != name)
            if len(remaining) == len(keys):
                raise NotFound(f"there is no key {name!r}; `tgsh keys list` shows them all")
            self._write(remaining)

    def restore(self, content: bytes) -> None:
        """Write the content of another key file.

        Raises
        ------
        Conflict
            Where there is a file already.
        KeysUnreadable
            Where the content is not that of a key file.
        """
        try:
            keys = _KeyFileContents.model_validate_json(content).keys
        except ValidationError as error:
            raise KeysUnreadable(f"no content of a file of keys: {_first_mistake(error)}") from None
        with self._locked():
            if self.path.exists():
                raise Conflict(f"{self.path} is there already")
            self._write(keys)

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
                file.write(_KeyFileContents(keys=keys).model_dump_json(indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
            _give_to_owner(Path(name), self.path.parent)
            Path(name).replace(self.path)
        finally:
            Path(name).unlink(missing_ok=True)


def _first_mistake(error: ValidationError) -> str:
    """Without the value: it may be a key or its hash."""
    found = error.errors(include_input=False)[0]
    return ": ".join(filter(None, problems_of([found])[0]))


def _check_name(name: str) -> None:
    try:
        TypeAdapter(KeyName).validate_python(name)
    except ValidationError as error:
        raise InvalidSpec(
            "NAME", "has up to 64 letters, digits, or . _ @ -, not one of these first"
        ) from error


def _give_to_owner(path: Path, folder: Path) -> None:
    """Give a file that root wrote to the owner of its folder: the API, which reads it, runs as that user."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
