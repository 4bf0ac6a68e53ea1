"""Colours of matrices in the addresses of pages, of their plots and of pictures: range and diagonal."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from tgsh.specs import figure_options
from tgsh.specs.figure_options import FigureOptions, read_figure_options

Range = Annotated[str | None, Query(max_length=64)]
Diagonal = Annotated[str | None, Query(max_length=16)]


def read_colours(range: str | None, diagonal: str | None, *, of_matrix: bool) -> FigureOptions:
    """Options of a plot, as of its picture; none of a plot that is no matrix. Raises InvalidSpec."""
    asked = {"range": range, "diagonal": diagonal} if of_matrix else {}
    return read_figure_options(asked, figure_options.MATRIX)


def colours_query(colours: FigureOptions) -> dict[str, str]:
    """Parameters of a picture in these colours."""
    chosen = {"diagonal": "mask"} if colours.diagonal == "mask" else {}
    if (ends := colours.range) is not None:
        chosen["range"] = ends if ends == "auto" else ",".join(f"{end:g}" for end in ends)
    return chosen
