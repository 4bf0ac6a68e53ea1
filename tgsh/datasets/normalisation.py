"""How pixels become a network's input: (p/255 − mean)/deviation, all pixels and channels alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Normalisation:
    """mean and deviation of pixels from 0 to 1.

    One of each, whatever the channels: a FlyNet sums pixels, and can leave the normalisation to its readout
    only where all have the same scale.
    """

    mean: float
    deviation: float

    @property
    def scale(self) -> float:
        """What is left of it in differences of pixels from 0 to 255."""
        return 1 / (255 * self.deviation)


PAPER = Normalisation(0.1307, 0.3081)
"""Of MNIST's pixels: the paper's, for every dataset that has a name."""
