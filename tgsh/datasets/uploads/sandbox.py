"""Reading of what strangers send, in a child process with limited memory and time."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgsh.datasets.uploads.labelled_images import refusal
from tgsh.datasets.uploads.options import UploadOptions
from tgsh.errors import InvalidSpec
from tgsh.system import end_with_parent, limit_memory, yield_to_others

MEMORY_BYTES = 1 << 30


@dataclass(frozen=True)
class Upload:
    """A file that was sent, or a folder of this machine.

    Attributes
    ----------
    path : Path
        The file; what it is follows from its bytes.
    options : UploadOptions
        Requests of the uploader.
    max_bytes : int
        Most bytes of its images, unpacked.
    """

    path: Path
    options: UploadOptions
    max_bytes: int


def run_in_subprocess(
    work: Callable[..., dict[str, object]], arguments: tuple[Any, ...], folder: Path, seconds: float
) -> dict[str, Any]:
    """Run a reader in a process with MEMORY_BYTES of memory and a time limit.

    Parameters
    ----------
    work : Callable[..., dict[str, object]]
        The reader, a function of a module; its result can be written as JSON.
    arguments : tuple[Any, ...]
        Its arguments.
    folder : Path
        Existing folder, for the outcome.
    seconds : float
        Time limit.

    Returns
    -------
    dict[str, Any]
        Its result.

    Raises
    ------
    InvalidSpec
        If it raises one, or takes more memory or time than allowed; with all that is wrong.
    OSError
        If it raises one.
    """
    outcome_path = folder / "outcome.json"
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=work_and_tell, args=(work, arguments, outcome_path), daemon=True)
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise InvalidSpec("body", f"takes over {seconds:g} s to unpack; send fewer or smaller images")
    if not outcome_path.exists():
        raise InvalidSpec("body", "takes more memory to unpack than there is; send fewer or smaller files")
    outcome: dict[str, Any] = json.loads(outcome_path.read_text("utf-8"))
    if "problems" in outcome:
        raise refusal([(field, message) for field, message in outcome["problems"]])
    if "errno" in outcome:
        raise OSError(outcome["errno"], outcome["strerror"])
    return outcome


def work_and_tell(
    work: Callable[..., dict[str, object]], arguments: tuple[Any, ...], outcome_path: Path
) -> None:
    """Run a reader, and write its result or what it refuses; nothing where memory does not suffice.

    Parameters
    ----------
    work : Callable[..., dict[str, object]]
        The reader.
    arguments : tuple[Any, ...]
        Its arguments.
    outcome_path : Path
        The file that is written.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    limit_memory(MEMORY_BYTES)
    yield_to_others(10)
    try:
        outcome = work(*arguments)
    except InvalidSpec as error:
        outcome = {"problems": error.fields}
    except OSError as error:  # a full disk
        outcome = {"errno": error.errno or 5, "strerror": error.strerror or str(error)}
    except MemoryError:
        return
    except Exception as error:  # a reader that does not know the damage: it is told as such, not as memory
        outcome = {"problems": [("body", f"cannot be read: {type(error).__name__}: {error}"[:300])]}
    outcome_path.write_text(json.dumps(outcome), "utf-8")
