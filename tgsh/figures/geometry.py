"""Definition 1 as histograms: intra and inter cosines, before and after training."""

from __future__ import annotations

from matplotlib.figure import Figure

from tgsh.figures.distributions import Panel, distributions_figure
from tgsh.schemas import Geometry, GeometryStage

NAMES = ("intra (one task, two classes)", "inter (one class, two tasks)")
ACROSS = "cosine of two representations"


def geometry_figure(measured: Geometry, *, title: str) -> Figure:
    """Draw untrained contexts over trained ones; a baseline's to their right."""
    rows = [[("before training", measured.before)], [("after training", measured.after)]]
    if (beside := measured.baseline) is not None:
        rows = [
            [(f"{measured.network}, {when}", stage), (f"baseline {beside.network}, {when}", other)]
            for [(when, stage)], other in zip(rows, (beside.before, beside.after), strict=True)
        ]
    panels = [stage_panel(stage, name) for row in rows for name, stage in row]
    return distributions_figure(
        panels, measured.edges, NAMES, title=title, across=ACROSS, columns=len(rows[0])
    )


def stage_panel(stage: GeometryStage, title: str) -> Panel:
    """The histograms of one stage."""
    means = (stage.intra_mean, stage.inter_mean)
    return Panel(title, (stage.intra, stage.inter), means, stage.p_intra_greater)
