"""Exceptions of tgsh.

The first line of a class's docstring is the title of the problem document that the command line prints, and
its name, in kebab case, the document's type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any


class TgshError(Exception):
    """Root of the tree. `str(error)` is a sentence for a person."""

    def _render_traceback_(self) -> list[str]:
        """What IPython displays in place of a traceback: the sentence, once."""
        return [f"{type(self).__name__}: {self}"]


class InvalidSpec(TgshError):
    """What was asked for cannot be run.

    field: dotted path into the request, such as ``training.train_limit``. others: more that is wrong, each a
    field and a message; `fields` has all of them.
    """

    def __init__(self, field: str, message: str, others: Sequence[tuple[str, str]] = ()) -> None:
        self.fields = ((field, message), *others)
        super().__init__("\n".join(f"{each}: {text}" for each, text in self.fields))
        self.field = field
        self.message = message

    def __reduce__(self) -> tuple[type[InvalidSpec], tuple[str, str, tuple[tuple[str, str], ...]]]:
        """From a child process, too, it comes whole."""
        return type(self), (*self.fields[0], self.fields[1:])


class NotFound(TgshError):
    """No such experiment, task or stage."""


class UnknownLabel(TgshError, KeyError):
    """No row or column has that label."""

    __str__ = Exception.__str__  # KeyError's puts quotes around it


class Conflict(TgshError):
    """The experiment is not in a state that allows this."""


class DatasetUnavailable(TgshError):
    """Images are missing or damaged, and could not be downloaded.

    missing: the files that would have to be put there, in lists of one folder each, by dataset or by folder.
    offer: name the dataset that needs none.
    """

    def __init__(
        self, cause: str, missing: Mapping[str, Sequence[Path]] = MappingProxyType({}), *, offer: bool = False
    ) -> None:
        super().__init__("\n".join([cause, *([_remedy(missing, offer)] if missing else [])]))
        self.missing = missing


def _remedy(missing: Mapping[str, Sequence[Path]], offer: bool) -> str:
    """A line that names the missing files and their folders."""
    folders: dict[str, list[str]] = {}  # by the files that they lack, mostly all of them
    for files in missing.values():
        idx = all("-idx" in file.name for file in files)
        names = ", ".join(file.name for file in files) + (" (or .gz)" if idx else "")
        folders.setdefault(names, []).append(str(files[0].parent))
    places = "; ".join(f"{files} into {' and '.join(paths)}" for files, paths in folders.items())
    return f"Put {places}" + (", or use mnist5k, which needs none: --dataset mnist5k" if offer else "")


class TrainingDiverged(TgshError):
    """The loss is no longer a finite number."""


class ArtifactError(TgshError):
    """A stored array cannot be trusted or reached."""


class ArtifactMissing(ArtifactError):
    """No artifact under that key."""


class ArtifactCorrupt(ArtifactError):
    """The bytes are not those that were written, or do not fit the spec."""


class ArtifactUnwritable(ArtifactError):
    """The disk is full, or the folder may not be written to."""

    def __init__(self, key: str, folder: Path | str, cause: str) -> None:
        super().__init__(
            f"artifact {key} cannot be written to {folder}: {cause}; "
            "make room or grant the rights there, then resume the experiment"
        )


class ArtifactUnreachable(ArtifactError):
    """The object store does not answer, or not to us. Whether the artifact is there is not known."""

    def __init__(self, key: str, url: str, cause: str) -> None:
        super().__init__(f"artifact {key} cannot be fetched from {url}: {cause}")


class ArtifactNotRemoved(ArtifactError):
    """The disk or the object store keeps what was to be removed."""

    def __init__(self, key: str, folder: Path | str, cause: str) -> None:
        super().__init__(f"artifact {key} cannot be removed from {folder}: {cause}")


class LeaseLost(TgshError):
    """Another worker owns this job now: the caller must write nothing."""


class Interrupted(TgshError):
    """Asked to stop between two batches; what was learned up to the last epoch is kept."""


class ServiceUnreachable(TgshError):
    """No API answers at that URL."""


class ServiceProblem(TgshError):
    """The API answered with an RFC 9457 problem document (kept as `problem`)."""

    def __init__(self, problem: dict[str, Any]) -> None:
        detail = problem.get("detail") or problem.get("title") or "the service refused"
        fields = [f"{e.get('field')}: {e.get('message')}" for e in problem.get("errors", [])]
        super().__init__("\n  ".join([str(detail), *fields]))
        self.problem = problem
        self.status = int(problem.get("status", 0))


class QuotaExceeded(TgshError):
    """The key has used up its share. retry_after: seconds until it is worth another try."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class KeysUnreadable(TgshError):
    """The file of keys is there and cannot be read: nobody is let in until it can."""


class MachineProblem(TgshError):
    """This machine lacks something, or cannot do what was asked; says what to install or to change."""
