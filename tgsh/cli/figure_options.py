"""Options of figures on the command line; the service reads their values."""

from __future__ import annotations

from typing import Annotated

import typer

PANEL = "Figures (png, svg, pdf)"

Width = Annotated[
    str | None, typer.Option("--width", help="Millimetres; a column is often 85.", rich_help_panel=PANEL)
]
Height = Annotated[
    str | None, typer.Option("--height", help="Millimetres; follows the width.", rich_help_panel=PANEL)
]
Font = Annotated[str | None, typer.Option("--font", help="Size of all text, points.", rich_help_panel=PANEL)]
Title = Annotated[
    str | None, typer.Option("--title", help="on, off, or a text of your own.", rich_help_panel=PANEL)
]
Labels = Annotated[
    str | None, typer.Option("--labels", help="Names of tasks: all, some or off.", rich_help_panel=PANEL)
]
Range = Annotated[
    str | None,
    typer.Option("--range", help="Ends of the colour scale: auto, or LOW,HIGH.", rich_help_panel=PANEL),
]
Diagonal = Annotated[
    str | None, typer.Option("--diagonal", help="Of a matrix: show or mask.", rich_help_panel=PANEL)
]
Cmap = Annotated[
    str | None,
    typer.Option("--cmap", help="Colour map of matplotlib, such as viridis.", rich_help_panel=PANEL),
]
Dpi = Annotated[str | None, typer.Option("--dpi", help="Pixels an inch of png; 200.", rich_help_panel=PANEL)]
SvgText = Annotated[
    str | None,
    typer.Option("--svg-text", help="Letters of an svg: text or paths.", rich_help_panel=PANEL),
]
