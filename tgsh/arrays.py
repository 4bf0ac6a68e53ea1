"""Labelled arrays to CSV, npy, safetensors."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import safetensors.numpy

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class LabelledArray:
    """values [T, N] with a label a row; `columns` names the N columns where they have names.

    about: what it is (measure, stage, base_id, ...), kept in formats that can hold it.
    """

    values: np.ndarray
    tasks: Sequence[int]
    labels: Sequence[str]
    columns: Sequence[str] | None
    about: dict[str, str]


def to_csv(array: LabelledArray) -> bytes:
    """A header of column names (or numbers), then a labelled row a task; floats in full precision."""
    columns = array.columns or [str(column) for column in range(array.values.shape[1])]
    return table_csv(
        ["", *columns],
        ([label, *row.tolist()] for label, row in zip(array.labels, array.values, strict=True)),
    )


def table_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """RFC 4180 CSV in UTF-8; text that a spreadsheet would take for a formula is quoted (`csv_text`)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([csv_text(cell) for cell in header])
    writer.writerows([csv_text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue().encode()


def csv_text(text: str) -> str:
    """A label as spreadsheets show it and do not run it: with a ' before =, +, -, @, a tab or a line's end.

    One more ' where some stand there already, so that `csv_label` has the label back, whatever it is.
    """
    return f"'{text}" if text.lstrip("'").startswith(FORMULAS) else text


def csv_label(cell: str) -> str:
    """The label that `csv_text` made this cell of."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(FORMULAS) else cell


def to_npy(array: LabelledArray) -> bytes:
    """The values alone, NumPy's .npy."""
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array.values), allow_pickle=False)
    return file.getvalue()


def npy_in_chunks(size: int, rows: Iterable[np.ndarray]) -> tuple[int, Iterator[bytes]]:
    """A float64 matrix [size, size] as .npy that comes some rows at a time: how many bytes, and the bytes."""
    header = io.BytesIO()
    about = {"descr": "<f8", "fortran_order": False, "shape": (size, size)}
    np.lib.format.write_array_header_1_0(header, about)
    start = header.getvalue()

    def chunks() -> Iterator[bytes]:
        yield start
        for some in rows:
            yield some.astype("<f8", copy=False).tobytes()

    return len(start) + 8 * size * size, chunks()


def to_safetensors(array: LabelledArray) -> bytes:
    """Tensors `values` and `tasks`; all that is known about them as JSON under the metadata key `tgsh`."""
    tensors = {
        "values": np.ascontiguousarray(array.values),
        "tasks": np.asarray(array.tasks, dtype=np.int64),
    }
    # One key: safetensors writes several in a random order, and equal results must have equal bytes.
    about = json.dumps({**array.about, "labels": list(array.labels)}, ensure_ascii=False, sort_keys=True)
    return safetensors.numpy.save(tensors, {"tgsh": about})
