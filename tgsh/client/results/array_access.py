"""Array access of results: indexing by position and label, files, xarray; slices keep their labels."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tgsh import arrays
from tgsh.errors import MachineProblem, UnknownLabel

if TYPE_CHECKING:
    import xarray

Axes = Mapping[str, Sequence[Any]]
"""Labels along each dimension, by its name."""

SUFFIXES = (".npz", ".npy", ".csv")


class ArrayAccess(ABC):
    """Access as to an array whose dimensions have names and labels.

    ``x[0, 1]`` goes by position, ``x["0°", "30°"]`` by label; a slice of labels ends with the one named last.
    Tasks of one label have their numbers in its place: ``x["0° #0", "0° #3"]``; the label alone is refused.
    Lists choose rows and columns each for themselves, so that ``x[[0, 2], [1, 3]]`` is a block.
    """

    @abstractmethod
    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            New array.
        """

    @abstractmethod
    def _axes(self) -> Axes:
        """Labels along each dimension."""

    def _about(self) -> dict[str, str]:
        """Provenance that files tell."""
        return {}

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension.

        Returns
        -------
        tuple[int, ...]
            As of the NumPy array.
        """
        return self.to_numpy().shape

    @property
    def ndim(self) -> int:
        """Number of dimensions.

        Returns
        -------
        int
            As of the NumPy array.
        """
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        return True  # a result without rows is a result, too

    def __iter__(self) -> Any:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        values, axes = self.to_numpy(), self._axes()
        picks = [_pick(axes, name, part) for name, part in zip(axes, _whole(key, len(axes)), strict=True)]
        kept = {}
        for place, (name, labels) in reversed(list(enumerate(axes.items()))):
            values = values[(slice(None),) * place + (picks[place],)]
            if not isinstance(picks[place], int):
                kept[name] = np.asarray(labels)[picks[place]].tolist()
        if not kept:
            return values.item()
        return LabelledValues(values, dict(reversed(kept.items())), self._about())

    def sel(self, **labels: Any) -> Any:
        """Part of the array, by labels of named dimensions.

        Parameters
        ----------
        **labels : Any
            Label, list or slice of labels, by the name of the dimension: ``task="30°"``.

        Returns
        -------
        Any
            Labelled part; a number where every dimension is given.

        Raises
        ------
        UnknownLabel
            If there is no such dimension or label.
        """
        axes = self._axes()
        for name in labels:
            if name not in axes:
                raise UnknownLabel(f"there is no dimension {name!r}; there are {_listed(axes)}")
        chosen = (_places(axes, name, labels[name]) if name in labels else slice(None) for name in axes)
        return self[tuple(chosen)]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the array with its labels to a file.

        Parameters
        ----------
        path : str | os.PathLike[str]
            File to write, by its end: ``.npz`` (``values``, ``dims``, the labels of each dimension under its
            name, and ``about``; read with `numpy.load`), ``.npy`` (the array alone) or ``.csv`` (at most two
            dimensions).

        Returns
        -------
        Path
            The written file.

        Raises
        ------
        ValueError
            If the end is another one, or the array has too many dimensions for it.
        """
        target, values, axes = Path(path), self.to_numpy(), self._axes()
        if target.suffix == ".npy":
            np.save(target, values, allow_pickle=False)
        elif target.suffix == ".npz":
            named: dict[str, Any] = {name: np.asarray(labels) for name, labels in axes.items()}
            about = json.dumps(self._about(), ensure_ascii=False)
            np.savez(target, allow_pickle=False, values=values, dims=list(axes), about=about, **named)
        elif target.suffix == ".csv":
            if values.ndim > 2:
                raise ValueError(f"{values.ndim} dimensions do not fit into a table: save .npz or .npy")
            rows, columns = [*axes.values(), ["value"]][:2]
            table = zip(rows, values.reshape(len(rows), -1).tolist(), strict=True)
            header = [next(iter(axes)), *map(str, columns)]
            target.write_bytes(arrays.table_csv(header, ([row, *numbers] for row, numbers in table)))
        else:
            raise ValueError(f"{target.name} ends in none of {', '.join(SUFFIXES)}")
        return target

    def to_xarray(self) -> xarray.DataArray:
        """The array with its labels as coordinates.

        Returns
        -------
        xarray.DataArray
            Dimensions and coordinates are those of `sel`.

        Raises
        ------
        MachineProblem
            If xarray is not installed.
        """
        try:
            import xarray
        except ImportError:
            raise MachineProblem("a DataArray needs xarray: pip install 'tgsh[xarray]'") from None
        coordinates = {name: list(labels) for name, labels in self._axes().items()}
        name = type(self).__name__.lower()
        return xarray.DataArray(self.to_numpy(), coordinates, list(coordinates), name, self._about())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.to_numpy(), dtype=dtype, copy=copy)


class LabelledValues(ArrayAccess, np.lib.mixins.NDArrayOperatorsMixin):
    """Part of a result: an array with the labels that it had there.

    Parameters
    ----------
    values : np.ndarray
        The array.
    axes : Axes
        Labels along each dimension, by its name.
    about : Mapping[str, str]
        What is said of it in files.
    """

    def __init__(self, values: np.ndarray, axes: Axes, about: Mapping[str, str]) -> None:
        self._values = np.array(values)
        self._values.flags.writeable = False
        self._named = {name: list(labels) for name, labels in axes.items()}
        self._said = dict(about)

    @property
    def labels(self) -> dict[str, list[Any]]:
        """Labels along each dimension.

        Returns
        -------
        dict[str, list[Any]]
            Labels by the name of the dimension.
        """
        return {name: list(labels) for name, labels in self._named.items()}

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            New array.
        """
        return self._values.copy()

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Arithmetic is NumPy's, and its results are plain arrays."""
        plain = [each.to_numpy() if isinstance(each, ArrayAccess) else each for each in inputs]
        return getattr(function, method)(*plain, **options)

    def _axes(self) -> Axes:
        return self._named

    def _about(self) -> dict[str, str]:
        return self._said

    def __repr__(self) -> str:
        dims = ", ".join(f"{name}: {len(labels)}" for name, labels in self._named.items())
        shown = "\n".join(
            f"{name}: {', '.join(map(str, labels[:8]))}{' …' if len(labels) > 8 else ''}"
            for name, labels in self._named.items()
        )
        return f"<LabelledValues ({dims})>\n{self._values}\n{shown}"


def _whole(key: Any, dimensions: int) -> tuple[Any, ...]:
    """An index for each dimension. Raises IndexError for too many."""
    parts = key if isinstance(key, tuple) else (key,)
    dots = [place for place, part in enumerate(parts) if part is Ellipsis]
    if len(parts) - len(dots) > dimensions or len(dots) > 1:
        raise IndexError(f"{len(parts)} indices for {dimensions} dimensions")
    place = dots[0] if dots else len(parts)
    rest = (slice(None),) * (dimensions - len(parts) + len(dots))
    return (*parts[:place], *rest, *parts[place + 1 :])


def _pick(axes: Axes, name: str, part: Any) -> Any:
    """An index of NumPy: a position, a slice or a list of positions."""
    if isinstance(part, str):
        return _position(axes, name, part)
    if isinstance(part, int | np.integer) and not isinstance(part, bool):
        count = len(axes[name])
        if not -count <= part < count:
            raise IndexError(f"{name} {part} is not there: there are {count}, from 0")
        return int(part)
    if isinstance(part, slice):
        return _places(axes, name, part) if str in {type(part.start), type(part.stop)} else part
    chosen = np.asarray(part)
    if chosen.dtype == bool:
        return np.flatnonzero(chosen).tolist()
    if chosen.ndim != 1:
        raise IndexError(f"{name} takes a position, a label, a slice or a list of these, not {part!r}")
    return [_pick(axes, name, each) for each in chosen.tolist()]


def _places(axes: Axes, name: str, wanted: Any) -> Any:
    """Positions of a label, a list of labels, or a slice of labels with both ends."""
    if isinstance(wanted, slice):
        start = None if wanted.start is None else _position(axes, name, wanted.start)
        stop = None if wanted.stop is None else _position(axes, name, wanted.stop) + 1
        return slice(start, stop, wanted.step)
    if isinstance(wanted, list | tuple | np.ndarray):
        return [_position(axes, name, each) for each in np.asarray(wanted).tolist()]
    return _position(axes, name, wanted)


def _position(axes: Axes, name: str, label: Any) -> int:
    """Position of a label. Raises UnknownLabel where there is none or there are several."""
    labels = list(axes[name])
    found = [place for place, each in enumerate(labels) if each == label]
    if len(found) == 1:
        return found[0]
    if not found:  # tasks of one label are told apart by their numbers
        found = [place for place, each in enumerate(labels) if _is_numbered(each, label)]
    if found:
        named = sorted({labels[place] for place in found} - {label}, key=labels.index)
        by_name = f", or by name: {_listed(named[:8])}{' …' if len(named) > 8 else ''}" if named else ""
        places = f"{', '.join(map(str, found[:8]))}{' …' if len(found) > 8 else ''}"
        raise UnknownLabel(f"{label!r} labels {len(found)} of {name}: choose by position, {places}{by_name}")
    near = get_close_matches(str(label), map(str, labels), 3, 0.3)
    hint = f"; did you mean {_listed(near)}?" if near else f"; there are {_listed(labels[:8])} …"
    raise UnknownLabel(f"there is no {name} {label!r}{hint}")


def _is_numbered(name: Any, label: Any) -> bool:
    """True where the name is the label with a task's number, as `told_apart` makes it."""
    start, sign, number = str(name).rpartition(" #")
    return bool(sign) and start == label and number.isdigit()


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names))
