"""Names of files in an upload: their encoding, their parts, natural order, and files that are no images."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tgsh.datasets.uploads.labelled_images import Problems
from tgsh.datasets.uploads.report import UploadReport

ENCODINGS = ("gbk", "shift_jis", "euc_kr", "big5", "cp1251", "cp866", "cp1252", "cp850")
LATIN_ENCODINGS = ("cp1252", "cp850", "cp1250")
"""Encodings that are proposed, the likeliest first, where names are in none that is known: the second where
single letters among others are not ASCII, as in languages of Europe."""

MOST_PROPOSED = 3
MOST_WRONG = 20
"""Of one kind of problem in one answer."""

DOS_LETTERS = frozenset(range(0x80, 0x9B)) | frozenset(range(0xA0, 0xA6)) | {0xE1}
"""Bytes that are letters both in cp437 and in cp850."""

THUMBNAIL_FOLDERS = {"@eadir", ".@__thumb", ".thumbnails", ".thumbs", ".thumb", "_thumbnails"}
SYSTEM_FOLDERS = {
    *("__macosx", "$recycle.bin", "#recycle", "@recycle", "system volume information", "lost+found"),
    *("__pycache__", ".git", ".github", ".svn", ".hg", ".dvc", ".trashes", ".trash", ".spotlight-v100"),
    *(".fseventsd", ".appledouble", ".temporaryitems", ".documentrevisions-v100", ".ipynb_checkpoints"),
    *(".cache", ".tmp", ".temp", ".vscode", ".idea", ".venv", ".mypy_cache", ".pytest_cache", ".config"),
}
SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", ".ds_store", "icon\r", ".directory", "@syno"}
DOCUMENT_STEMS = {
    *("readme", "license", "licence", "copying", "notice", "citation", "authors", "changelog", "manifest"),
    *("contributors", "install", "todo", "version", "about", "checksums", "md5sums", "sha256sums"),
}
DOCUMENT_ENDINGS = {
    *("txt", "md", "rst", "csv", "tsv", "json", "jsonl", "ndjson", "xml", "yaml", "yml", "toml", "ini"),
    *("html", "htm", "pdf", "doc", "docx", "xls", "xlsx", "ods", "odt", "rtf", "log", "cff", "bib", "tex"),
    *("py", "ipynb", "m", "r", "sh", "bat", "cfg", "md5", "sha1", "sha256", "url", "webloc", "lnk", "info"),
}
OTHER_ENDINGS = {
    *("npy", "npz", "mat", "h5", "hdf5", "pkl", "pickle", "pt", "pth", "onnx", "safetensors", "ckpt", "db"),
    *("sqlite", "parquet", "zip", "gz", "tar", "mp4", "mov", "avi", "mp3", "wav", "exe", "dll", "bak", "tmp"),
}

_DRIVE = re.compile(r"^[A-Za-z]:[\\/]")


@dataclass(frozen=True, eq=False)
class Names:
    """Names of an archive's members that may be images, in natural order of their folders and names.

    There may be a million: what all in a folder have in common is there once.

    Attributes
    ----------
    places : np.ndarray
        int64 [n], places in the archive.
    folder_of : np.ndarray
        int64 [n], places in folders.
    folders : list[tuple[str, ...]]
        Distinct folders, in parts.
    stored : Sequence[str]
        Names of all members of the archive.
    documents : list[str]
        Paths of texts and tables that were left out.
    """

    places: np.ndarray
    folder_of: np.ndarray
    folders: list[tuple[str, ...]]
    stored: Sequence[str]
    documents: list[str]

    def counts(self) -> dict[tuple[str, ...], int]:
        """Count the files of every folder.

        Returns
        -------
        dict[tuple[str, ...], int]
            By folder.
        """
        counts = np.bincount(self.folder_of, minlength=len(self.folders)).tolist()
        return dict(zip(self.folders, counts, strict=True))

    def within(self, folders: Collection[tuple[str, ...]]) -> np.ndarray:
        """Find the files of some folders.

        Parameters
        ----------
        folders : Collection[tuple[str, ...]]
            The folders.

        Returns
        -------
        np.ndarray
            int64, indices in places.
        """
        wanted = np.array([folder in folders for folder in self.folders], bool)
        return np.flatnonzero(wanted[self.folder_of]) if len(wanted) else np.empty(0, np.int64)

    def path(self, index: int) -> str:
        """Return the path of a file, its last 200 characters.

        Parameters
        ----------
        index : int
            Index in places.

        Returns
        -------
        str
            For messages, and for patterns on names.
        """
        file = file_part(self.stored[int(self.places[index])])
        return "/".join((*self.folders[int(self.folder_of[index])], file))[-200:]


def file_part(name: str) -> str:
    """Return the last part of a path.

    Parameters
    ----------
    name : str
        With slashes or backslashes.

    Returns
    -------
    str
        What follows the last of them.
    """
    return name.rpartition("/")[2].rpartition("\\")[2]


def natural_key(name: str) -> str:
    """Key that sorts ``class2`` before ``class10``, and otherwise by characters.

    Parameters
    ----------
    name : str
        A name.

    Returns
    -------
    str
        For `sorted`; break ties by the name itself.
    """
    return _DIGITS.sub(_number_key, name)


def _number_key(found: re.Match[str]) -> str:
    """A number at the place of digits among characters: its length, then itself."""
    digits = found[0].lstrip("0")
    return f"0{chr(len(digits) + 1)}{digits}"


_DIGITS = re.compile(r"[0-9]+")


def sorted_class_names(names: Iterable[str]) -> tuple[str, ...]:
    """Sort the distinct names of classes: as numbers where all are, else in natural order.

    Parameters
    ----------
    names : Iterable[str]
        Name of the class of each image.

    Returns
    -------
    tuple[str, ...]
        Names in the order of their class numbers.
    """
    distinct = set(names)
    if all(re.fullmatch(r"-?[0-9]{1,4000}", name) for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct, key=lambda name: (natural_key(name), name)))


def tidy_name(name: str) -> str:
    """Bring a name into its normal form: composed (NFC), without blanks around it.

    Parameters
    ----------
    name : str
        Name of a class or a folder.

    Returns
    -------
    str
        The name; as it is where nothing would be left.
    """
    composed = name if name.isascii() else unicodedata.normalize("NFC", name)
    return composed.strip().strip("\ufeff") or composed


def decoded_names(
    names: Sequence[str], encoding: str | None, legacy: str | None, report: UploadReport
) -> tuple[list[str], Problems]:
    """Decode the names that are no UTF-8.

    Parameters
    ----------
    names : Sequence[str]
        Names; bytes that are no UTF-8 stand as surrogates.
    encoding : str | None
        What the uploader says that they are in.
    legacy : str | None
        What they are in where nobody says, if that gives letters.
    report : UploadReport
        Is told what they were read as.

    Returns
    -------
    tuple[list[str], Problems]
        Names without surrogates, and what is wrong.
    """
    odd = [place for place, name in enumerate(names) if not name.isascii() and _has_surrogates(name)]
    if not odd:
        return list(names), []
    raw = [names[place].encode("utf-8", "surrogateescape") for place in odd]
    chosen = encoding
    if chosen is None and legacy is not None and all(_is_dos_text(each) for each in raw):
        chosen = legacy
    result = list(names)
    if chosen is not None:
        try:
            for place, each in zip(odd, raw, strict=True):
                result[place] = each.decode(chosen)
        except UnicodeDecodeError as error:
            return result, [("encoding", f"a name is no {chosen}: {error.reason}; {_proposal(raw)}")]
        report.do("encoding", (result[place] for place in odd[:5]), len(odd), chosen)
        return result, []
    return [_shown(name) for name in names], [
        (
            "encoding",
            f"{len(odd):,} names are neither UTF-8 nor do they say what they are in; {_proposal(raw)}",
        )
    ]


def _has_surrogates(name: str) -> bool:
    return any("\ud800" <= each <= "\udfff" for each in name)


def _shown(name: str) -> str:
    return name.encode("utf-8", "replace").decode("utf-8")


def _is_dos_text(raw: bytes) -> bool:
    return all(byte < 0x80 or byte in DOS_LETTERS for byte in raw)


def _proposal(raw: Sequence[bytes]) -> str:
    """Encodings in which all names are letters, with what they give."""
    folders = list(dict.fromkeys(each.rpartition(b"/")[0] or each for each in raw))
    found = []
    is_latin = all(len(run) == 1 for name in folders for run in re.findall(rb"[\x80-\xff]+", name))
    for encoding in dict.fromkeys((*LATIN_ENCODINGS, *ENCODINGS) if is_latin else ENCODINGS):
        try:
            texts = [each.decode(encoding) for each in folders]
        except UnicodeDecodeError:
            continue
        odd = {character for text in texts for character in text if not character.isascii()}
        if all(character.isalpha() or unicodedata.category(character)[0] == "M" for character in odd):
            found.append(f"?encoding={encoding} reads {texts[0][:40]!r}")
    if not found:
        return "say what it is, such as ?encoding=gbk, or send UTF-8"
    return "say what it is: " + ", ".join(found[:MOST_PROPOSED])


def tidy_names(
    names: Sequence[str],
    report: UploadReport,
    *,
    encoding: str | None = None,
    legacy: str | None = None,
    backslashes: bool = False,
) -> tuple[Names, Problems]:
    """Bring the names of an archive into parts and set aside what is no image by its name.

    Parameters
    ----------
    names : Sequence[str]
        Names as stored; bytes that are no UTF-8 stand as surrogates.
    report : UploadReport
        Is told what was done and left out.
    encoding : str | None, default=None
        Of names that are no UTF-8, as the uploader says.
    legacy : str | None, default=None
        Of such names where nobody says.
    backslashes : bool, default=False
        Whether ``\\`` is a separator too.

    Returns
    -------
    tuple[Names, Problems]
        Members that may be images, and what is wrong with names.
    """
    plain, wrong = decoded_names(names, encoding, legacy, report)
    sorter = _Sorter(report)
    for place, name in enumerate(plain):
        sorter.take(place, name, backslashes)
    twice: list[str] = []
    if len(set(plain)) < len(plain):
        twice = [name for name, count in Counter(plain).items() if count > 1]
    wrong += [("body", f"{name[:200]!r} is there twice") for name in twice[:MOST_WRONG]]
    wrong += [
        ("body", f"{name[:200]!r} is no path within an archive; pack the folders themselves")
        for name in sorter.outside[:MOST_WRONG]
    ]
    sorter.tell()
    return sorter.names(plain), wrong


class _Sorter:
    """Members by folder; each folder's name is looked at once."""

    def __init__(self, report: UploadReport) -> None:
        self._report = report
        self._folders: dict[str, tuple[tuple[str, ...], str]] = {}
        self._found: dict[tuple[str, ...], array[int]] = {}
        self._ignored: dict[str, list[str]] = {}
        self.outside: list[str] = []
        self._backslashed = 0
        self._composed: set[str] = set()
        self._trimmed: set[str] = set()

    def take(self, place: int, name: str, backslashes: bool) -> None:
        """Sort a member into images that may be, and the rest."""
        if _DRIVE.match(name) or name.startswith(("/", "\\")):
            self.outside.append(name)
            return
        if backslashes and "\\" in name:
            self._backslashed += 1
            name = name.replace("\\", "/")
        folder, _, file = name.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self._tidy_folder(folder)
        parts, kind = self._folders[folder]
        if kind == "outside" or file == "..":
            self.outside.append(name)
            return
        kind = kind or _noise(file)
        if kind:
            self._ignored.setdefault(kind, []).append(name)
        elif file:
            self._found.setdefault(parts, array("q")).append(place)

    def _tidy_folder(self, folder: str) -> tuple[tuple[str, ...], str]:
        parts = []
        for part in folder.split("/"):
            if part == "..":
                return (), "outside"
            if part in ("", "."):
                continue
            if part.lower() in THUMBNAIL_FOLDERS:
                return (), "thumbnails"
            if part.lower() in SYSTEM_FOLDERS or part.lower().startswith(".trash-"):
                return (), "system files"
            tidy = tidy_name(part)
            if not part.isascii() and unicodedata.normalize("NFC", part) != part:
                self._composed.add(tidy)
            if tidy != unicodedata.normalize("NFC", part):
                self._trimmed.add(tidy)
            parts.append(tidy)
        return tuple(parts), ""

    def tell(self) -> None:
        """Put into the report what was done and left out."""
        for kind, names in self._ignored.items():
            self._report.ignore(kind, names[:5], len(names))
        if self._backslashed:
            self._report.do("separators", count=self._backslashed)
        self._report.do("normalised", sorted(self._composed))
        self._report.do("trimmed", sorted(self._trimmed))

    def names(self, stored: Sequence[str]) -> Names:
        """All that may be images, in natural order."""
        folders = sorted(self._found, key=lambda parts: ([natural_key(part) for part in parts], parts))
        places = [sorted(self._found[parts], key=lambda place: _file_key(stored[place])) for parts in folders]
        documents = [
            name for kind in ("documents", "other files") for name in self._ignored.get(kind, [])[:20]
        ]
        return Names(
            np.array([place for each in places for place in each], np.int64),
            np.repeat(np.arange(len(folders)), [len(each) for each in places]),
            folders,
            stored,
            documents,
        )


def _file_key(name: str) -> tuple[str, str]:
    file = file_part(name)
    return natural_key(file), file


def _noise(file: str) -> str:
    """The kind of thing that a file is which is no image, by its name; empty where it may be one."""
    lower = file.lower()
    if lower in SYSTEM_FILES or lower.startswith("._"):
        return "system files"
    stem, dot, ending = lower.rpartition(".")
    if lower.startswith("."):
        return "hidden files"
    if not dot:
        return "documents" if lower in DOCUMENT_STEMS else ""
    if ending in DOCUMENT_ENDINGS or (stem in DOCUMENT_STEMS and ending not in ("png", "jpg", "jpeg")):
        return "documents"
    return "other files" if ending in OTHER_ENDINGS else ""
