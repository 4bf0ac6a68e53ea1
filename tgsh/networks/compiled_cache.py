"""Machine code that numba compiled: a folder that lasts, shared by all processes, of which one compiles.

What lies there is run, so a folder that others may write to is not used. The folder is looked at before
something is first compiled, not on import.
"""

from __future__ import annotations

import grp
import logging
import os
import platform
import pwd
import shutil
import stat
import time
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import llvmlite
import numba
from filelock import FileLock, Timeout
from llvmlite import binding
from numba import njit
from numba.core import config

from tgsh.settings import compiled_code_folder

KEPT_SECONDS = 30 * 86_400
"""Code of other versions, processors and sources that no process has used for so long is removed."""

COMPILING_SECONDS = 120.0
"""A process that waits longer for another one's code compiles its own."""

PREFIX = "flynet-"

log = logging.getLogger(__name__)


def cached(function: Callable[..., Any], sources: Sequence[Path], **options: Any) -> Any:
    """The function compiled by numba, its machine code kept on the disk where there is a safe folder.

    Parameters
    ----------
    function : Callable[..., Any]
        What to compile.
    sources : Sequence[Path]
        All files that its code comes from; numba itself looks at the function's own only.
    **options : Any
        Options of numba.njit.

    Returns
    -------
    Any
        numba's dispatcher.
    """
    dispatcher = njit(**options)(function)
    compile_now = dispatcher.compile

    @cache
    def kept_in() -> Path | None:
        folder = _folder(tuple(sources))
        return folder if folder is not None and _keep(dispatcher, folder) else None

    def compile_once(signature: Any) -> Any:
        folder = kept_in()
        if folder is None:
            return compile_now(signature)
        name = sha256(repr((function.__qualname__, signature)).encode()).hexdigest()[:16]
        try:
            return _once(folder, folder / f"{name}.compiled", lambda: compile_now(signature))
        except Exception as error:  # of the disk or the files; what the code itself causes is raised again
            dispatcher._cache.disable()
            entry = compile_now(signature)
            log.warning("compiled code could not be kept in %s, or read: %r", folder, error)
            if not isinstance(error, OSError):  # a damaged file, which the next process would read again
                shutil.rmtree(folder, ignore_errors=True)
            return entry

    dispatcher.compile = compile_once
    return dispatcher


def _keep(dispatcher: Any, folder: Path) -> bool:
    """Have numba keep a function's code there; False where its own settings forbid that."""
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
    try:
        dispatcher.enable_caching()
    except RuntimeError as error:  # NUMBA_CACHE_LOCATOR_CLASSES
        log.warning("numba keeps no compiled code: %s", error)
        return False
    finally:
        config.CACHE_DIR = before
    return True


def _once(folder: Path, mark: Path, compile_now: Callable[[], Any]) -> Any:
    """Compile while no other process does; one that finds the mark loads the code, with no need of a lock."""
    if mark.exists():
        return compile_now()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=COMPILING_SECONDS)
    except Timeout:
        log.warning("another process has been compiling in %s for %g s", folder, COMPILING_SECONDS)
        return compile_now()
    try:
        if not mark.exists():
            began = time.perf_counter()
            entry = compile_now()
            mark.touch()
            log.info("compiled in %.1f s; the code is kept in %s", time.perf_counter() - began, folder)
            _remove_unused(folder)
            return entry
    finally:
        lock.release()
    return compile_now()


def _remove_unused(folder: Path) -> None:
    """Remove code of other versions, processors or sources that has not been used for long."""
    for other in folder.parent.glob(f"{PREFIX}*"):
        if other != folder and other.stat().st_mtime < time.time() - KEPT_SECONDS:
            shutil.rmtree(other, ignore_errors=True)


@cache
def _folder(sources: tuple[Path, ...]) -> Path | None:
    """The folder for code of these sources, this processor and these versions; None where it is not safe."""
    parts = [platform.python_version(), numba.__version__, llvmlite.__version__, binding.get_process_triple()]
    parts += [binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()]
    for source in sources:
        parts += [str(source.parent), sha256(source.read_bytes()).hexdigest()]
    key = sha256("\n".join(parts).encode()).hexdigest()[:16]
    try:
        place = compiled_code_folder() / f"{PREFIX}{numba.__version__}-{key}"
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = place.resolve(strict=True)
        problem = danger(place) or ("" if os.access(place, os.W_OK) else f"{place} cannot be written to")
        if not problem:
            os.utime(place)  # in use
    except OSError as error:
        problem = str(error)
    if not problem:
        return place
    log.warning(
        "compiled code is not kept, so every process compiles FlyNet anew, for some seconds: %s; "
        "set NUMBA_CACHE_DIR to a folder that only this user can write to",
        problem,
    )
    return None


def danger(folder: Path) -> str | None:
    """Find out who else could put code into a folder.

    Parameters
    ----------
    folder : Path
        Without symbolic links.

    Returns
    -------
    str | None
        The reason why the folder is not safe; None if only this user and root can write to it and move it.
    """
    for place in (folder, *folder.parents):
        status = place.stat()
        if status.st_uid != os.geteuid() and (place == folder or status.st_uid != 0):
            return f"{place} belongs to another user"
        moved = stat.S_ISVTX if place != folder else 0  # in /tmp only an owner moves what is theirs
        if status.st_mode & stat.S_IWOTH and not status.st_mode & moved:
            return f"everybody can write to {place}"
        if status.st_mode & stat.S_IWGRP and not status.st_mode & moved and not _is_own_group(status.st_gid):
            return f"a group can write to {place}"
    return None


def _is_own_group(group: int) -> bool:
    """True for root's, and for the group of one that some systems give each user, of the user's own name."""
    try:
        return group == 0 or grp.getgrgid(group).gr_name == pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
