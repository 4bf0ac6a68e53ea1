"""Report of an upload: everything that was done to make a dataset of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

FIRST_NAMES = 5
"""Names kept with a remark."""

MOST_SKIPPED = 100
MOST_NAMED_CLASSES = 10


@dataclass
class Remark:
    """One kind of thing that was done to files or images.

    Attributes
    ----------
    kind : str
        Key of IGNORED or DONE.
    count : int
        How many files, images or names.
    names : list[str]
        The first of them.
    detail : str
        More words, such as the rule by which pixels were scaled.
    """

    kind: str
    count: int = 0
    names: list[str] = field(default_factory=list)
    detail: str = ""


@dataclass
class SkippedFile:
    """A file that was left out because it cannot be read.

    Attributes
    ----------
    name : str
        Its path.
    reason : str
        What is wrong with it.
    """

    name: str
    reason: str


IGNORED: Mapping[str, str] = {
    "documents": "{count} document{s}",
    "system files": "{count} system file{s}",
    "thumbnails": "{count} thumbnail{s}",
    "hidden files": "{count} hidden file{s}",
    "hidden folders": "{count} file{s} in folders whose names begin with a dot",
    "links": "{count} link{s}",
    "other files": "{count} other file{s}",
    "arrays": "{count} array{s} that {is} neither images nor labels",
    "class names": "{count} class name{s} without an image",
}
"""Kinds of things that were left out, as a rule and not for being bad, in words."""

DONE: Mapping[str, str] = {
    "root": "The folder {detail}, which holds all the others, was taken off",
    "separators": "{count} path{s} with backslashes {was} read as folders",
    "encoding": "{count} name{s} {was} read as {detail}",
    "normalised": "{count} name{s} {was} brought into Unicode's composed form",
    "trimmed": "Blanks around {count} name{s} were trimmed",
    "dot classes": "{count} class{es} whose name{s} begin{ss} with a dot {has} images and {was} taken",
    "turned": "{count} image{s} {was} turned upright, as {its} EXIF orientation says",
    "scaled": "{detail}",
    "deep colour": "Of {count} colour image{s} with 16 bits a channel the upper 8 bits were taken",
    "palettes": "{count} image{s} with a palette {was} read as {detail}",
    "converted": "{count} image{s} {was} converted: {detail}",
    "opaque alpha": "{count} image{s} {has} an alpha channel that is opaque everywhere; it was left out",
    "transparent": "{count} image{s} with transparent pixels {was} laid on {detail}",
    "frames": "Of {count} image file{s} with several frames or pages the first was taken ({detail} left out)",
    "resized": "{count} image{s} {was} resized to {detail}",
    "reduced": "{count} large photo{s} {was} reduced while decoding",
    "channels": "{count} image{s} {was} made {detail}",
    "axes": "{detail}",
    "labels": "{detail}",
    "domains": "{detail}",
    "groups": "{detail}",
    "split": "{detail}",
    "options": "{detail}",
    "nested": "{detail}",
    "order": "{detail}",
}
"""Kinds of things that were done, in words."""


@dataclass
class UploadReport:
    """Record of everything that was done to an upload, as JSON and in words.

    Attributes
    ----------
    container : str
        What it came in, such as ``"zip"`` or ``"tar.gz"``.
    layout : str
        How it was read, such as ``"split/class"``.
    found : int
        Images that were found, those that were skipped included.
    images : int
        Images of the dataset.
    ignored : list[Remark]
        What was left out as a rule, by kind.
    done : list[Remark]
        What was done to names, images and split, by kind.
    skipped : list[SkippedFile]
        Files that cannot be read, the first MOST_SKIPPED.
    skipped_count : int
        All of these.
    counts : dict[str, dict[str, int]]
        By split, images of every class.
    untested : list[str]
        Classes without a test image.
    domains : dict[str, int]
        Images of every domain.
    copies : int
        Images whose pixels are those of an image before them.
    overlap : int
        Test images whose pixels are those of a training image.
    contradictory : int
        Images of which an identical one has another class.
    duplicates : str
        What was done about copies: ``"together"`` or ``"keep"``; ``"given"`` where the upload has a split.
    """

    container: str = ""
    layout: str = ""
    found: int = 0
    images: int = 0
    ignored: list[Remark] = field(default_factory=list)
    done: list[Remark] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)
    skipped_count: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    untested: list[str] = field(default_factory=list)
    domains: dict[str, int] = field(default_factory=dict)
    copies: int = 0
    overlap: int = 0
    contradictory: int = 0
    duplicates: str = "together"

    def ignore(self, kind: str, names: Iterable[str], count: int | None = None) -> None:
        """Remember what was left out as a rule.

        Parameters
        ----------
        kind : str
            Key of IGNORED.
        names : Iterable[str]
            Names of the files; the first are kept.
        count : int | None, default=None
            How many; None: as many as names.
        """
        _add(self.ignored, kind, names, count, "")

    def do(self, kind: str, names: Iterable[str] = (), count: int | None = None, detail: str = "") -> None:
        """Remember what was done.

        Parameters
        ----------
        kind : str
            Key of DONE.
        names : Iterable[str], default=()
            Names of the files; the first are kept.
        count : int | None, default=None
            How many; None: as many as names.
        detail : str, default=""
            More words.
        """
        _add(self.done, kind, names, count, detail)

    def skip(self, name: str, reason: str) -> None:
        """Remember a file that cannot be read.

        Parameters
        ----------
        name : str
            Its path.
        reason : str
            What is wrong with it.
        """
        self.skipped_count += 1
        if len(self.skipped) < MOST_SKIPPED:
            self.skipped.append(SkippedFile(name[-200:], reason[:200]))

    def as_dict(self) -> dict[str, Any]:
        """Write it as JSON can hold it; `report_from` reads it.

        Returns
        -------
        dict[str, Any]
            Attribute by attribute.
        """
        return asdict(self)

    def sentences(self) -> list[str]:
        """Say it in words.

        Returns
        -------
        list[str]
            Sentences without their last full stop, the most important first.
        """
        said = [self._summary()]
        if self.skipped_count:
            first = [f"{each.name} ({each.reason})" for each in self.skipped[:3]]
            said.append(
                f"{_plural(self.skipped_count, 'file')} could not be read and {_was(self.skipped_count)} "
                f"left out: {_listed(first, self.skipped_count)}"
            )
        said += [_sentence(DONE, remark) for remark in self.done]
        if self.ignored:
            parts = [_sentence(IGNORED, remark) for remark in self.ignored]
            said.append(f"Ignored: {'; '.join(parts)}")
        if self.domains:
            held = _listed([f"{name} ({count:,})" for name, count in self.domains.items()])
            said.append(f"There are {_plural(len(self.domains), 'domain')}: {held}")
        if self.untested:
            verb = "has" if len(self.untested) == 1 else "have"
            said.append(
                f"{_plural(len(self.untested), 'class')} {verb} no test image: {_listed(self.untested)}"
            )
        return said + self._copy_sentences()

    def _summary(self) -> str:
        train, test = (sum(self.counts.get(part, {}).values()) for part in ("train", "test"))
        classes = len(self.counts.get("train", {}))
        article = "an" if self.container.startswith(("n", "a")) else "a"
        read = f" read as {self.layout}" if self.layout else ""
        held = f"{_plural(self.images, 'image')} in {_plural(classes, 'class')}"
        return f"{held} from {article} {self.container}{read}: {train:,} to train on, {test:,} to test"

    def _copy_sentences(self) -> list[str]:
        said = []
        if self.copies:
            together = "; copies stay on one side of the split" if self.duplicates == "together" else ""
            verb = "is a copy" if self.copies == 1 else "are copies"
            said.append(f"{_plural(self.copies, 'image')} {verb} of others{together}")
        if self.overlap:
            verb = "is" if self.overlap == 1 else "are"
            said.append(
                f"{_plural(self.overlap, 'test image')} {verb} among the training images, too: accuracy will "
                "be too high"
            )
        if self.contradictory:
            verb = "has" if self.contradictory == 1 else "have"
            said.append(
                f"{_plural(self.contradictory, 'image')} {verb} a copy in another class: one of the two "
                "labels is wrong"
            )
        return said


def report_from(document: Mapping[str, Any]) -> UploadReport:
    """Read what `UploadReport.as_dict` wrote, or the three counts that were all before there was more.

    Parameters
    ----------
    document : Mapping[str, Any]
        What was written.

    Returns
    -------
    UploadReport
        The report.
    """
    parts: dict[str, Any] = dict(document)
    for name, kind in (("ignored", Remark), ("done", Remark), ("skipped", SkippedFile)):
        parts[name] = [kind(**each) for each in parts.get(name, [])]
    return UploadReport(**parts)


def _add(remarks: list[Remark], kind: str, names: Iterable[str], count: int | None, detail: str) -> None:
    held = list(names)
    if count is None:
        count = len(held)
    if not count and not detail:
        return
    remark = next((each for each in remarks if (each.kind, each.detail) == (kind, detail)), None)
    if remark is None:
        remark = Remark(kind, detail=detail)
        remarks.append(remark)
    remark.count += count
    remark.names += [name[-200:] for name in held[: FIRST_NAMES - len(remark.names)]]


def _sentence(words: Mapping[str, str], remark: Remark) -> str:
    one = remark.count == 1
    text = words.get(remark.kind, "{detail}").format(
        count=f"{remark.count:,}",
        detail=remark.detail,
        s="" if one else "s",
        es="" if one else "es",
        ss="s" if one else "",
        was="was" if one else "were",
        has="has" if one else "have",
        its="its" if one else "their",
        **{"is": "is" if one else "are"},
    )
    names = f" ({_listed(remark.names, remark.count)})" if remark.names else ""
    return text + names


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "es" if noun.endswith("s") else "s")


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _listed(names: Sequence[str], count: int | None = None) -> str:
    """The first names, and how many more there are."""
    shown = list(names[:MOST_NAMED_CLASSES])
    more = (len(names) if count is None else count) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
