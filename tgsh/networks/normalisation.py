"""How pixels become a network's input: (p/255 − 0.1307)/0.3081, the paper's, whatever the dataset."""

from __future__ import annotations

MEAN, DEVIATION = 0.1307, 0.3081
"""Of MNIST's pixels from 0 to 1."""

PIXEL_SCALE = 1 / (255 * DEVIATION)
"""What is left of the normalisation in differences of pixels from 0 to 255."""
