"""Encoding of labelled arrays as CSV, npy and safetensors; equal arrays have equal bytes."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import safetensors.numpy

FORMULA = re.compile(r"'*(?:[\t\r\n]|[\s\ufeff\u200b-\u200f\u2060]*[=+\-@＝＋－＠﹦﹢﹣﹫])")
"""Text that a spreadsheet may run: its sign may be a full-width or small one, which some take for the plain
one, behind blanks and marks that cannot be seen, which some drop. Apostrophes before it are ours."""


@dataclass(frozen=True)
class LabelledArray:
    """Matrix with one labelled row for each task.

    Attributes
    ----------
    values : numpy.ndarray
        Shape (T, N).
    tasks : sequence of int
        Index of each row's task in its suite.
    labels : sequence of str
        Label of each row.
    columns : sequence of str or None
        Names of the N columns; None: they are numbered.
    about : dict
        Provenance (measure, stage, base_id, ...), kept in formats that can hold it.
    """

    values: np.ndarray
    tasks: Sequence[int]
    labels: Sequence[str]
    columns: Sequence[str] | None
    about: dict[str, str]


def to_csv(array: LabelledArray) -> bytes:
    """Encode as CSV: a header of column names or numbers, then a labelled row for each task.

    Parameters
    ----------
    array : LabelledArray
        Its floats are written with all their digits.

    Returns
    -------
    bytes
        RFC 4180, UTF-8.
    """
    columns = array.columns or [str(column) for column in range(array.values.shape[1])]
    return table_csv(
        ["", *columns],
        ([label, *row.tolist()] for label, row in zip(array.labels, array.values, strict=True)),
    )


def table_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Encode a table as CSV, with text that is safe in spreadsheets (`csv_text`).

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : iterable of sequences
        Cells; None is an empty cell.

    Returns
    -------
    bytes
        RFC 4180, UTF-8.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([csv_text(cell) for cell in header])
    writer.writerows([csv_text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue().encode()


def csv_text(text: str) -> str:
    """Escape text that a spreadsheet would run as a formula, by a leading apostrophe.

    Formulas begin with =, +, -, @, a tab or a line's end (see FORMULA). Text that has apostrophes before one
    of these gets one more, so that `csv_label` inverts this for any text.
    """
    return f"'{text}" if FORMULA.match(text) else text


def csv_label(cell: str) -> str:
    """Label of a cell: the inverse of `csv_text`."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def to_npy(array: LabelledArray) -> bytes:
    """Encode the values, without labels, in NumPy's .npy format.

    Parameters
    ----------
    array : LabelledArray
        Values of any dtype but object.

    Returns
    -------
    bytes
        Contents of an .npy file, shape (T, N).
    """
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array.values), allow_pickle=False)
    return file.getvalue()


def npy_in_chunks(size: int, rows: Iterable[np.ndarray]) -> tuple[int, Iterator[bytes]]:
    """Encode a square matrix as .npy without holding it in memory.

    Parameters
    ----------
    size : int
        Number of rows and of columns.
    rows : iterable of numpy.ndarray
        Consecutive blocks of rows, shape (n, size).

    Returns
    -------
    length : int
        Number of bytes.
    chunks : iterator of bytes
        The header, then each block as little-endian float64.
    """
    header = io.BytesIO()
    description = {"descr": "<f8", "fortran_order": False, "shape": (size, size)}
    np.lib.format.write_array_header_1_0(header, description)
    header_bytes = header.getvalue()

    def chunks() -> Iterator[bytes]:
        yield header_bytes
        for block in rows:
            yield block.astype("<f8", copy=False).tobytes()

    return len(header_bytes) + 8 * size * size, chunks()


def to_safetensors(array: LabelledArray) -> bytes:
    """Encode as safetensors: tensors `values` and `tasks`, with metadata.

    Parameters
    ----------
    array : LabelledArray
        `about` and `labels` become JSON under the metadata key ``tgsh``.

    Returns
    -------
    bytes
        Contents of a .safetensors file: values (T, N) and tasks int64 (T,).
    """
    tensors = {
        "values": np.ascontiguousarray(array.values),
        "tasks": np.asarray(array.tasks, dtype=np.int64),
    }
    # One key: safetensors writes several in a random order, and equal results must have equal bytes.
    about = json.dumps({**array.about, "labels": list(array.labels)}, ensure_ascii=False, sort_keys=True)
    return safetensors.numpy.save(tensors, {"tgsh": about})
