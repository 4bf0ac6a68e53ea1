"""Scaling of pixels that are no bytes: one rule for all images of an upload, told in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DEPTHS = (8, 10, 12, 14, 16)
"""Bits a pixel may have; the smallest that holds all values is taken."""


@dataclass(frozen=True)
class Scaling:
    """Rule by which numbers become bytes.

    Attributes
    ----------
    kind : str
        ``"as they are"``, ``"bits"``, ``"unit"`` (0 to 1), ``"signed"`` (−1 to 1), ``"bool"`` or ``"range"``.
    low : float
        The lowest number of all images.
    high : float
        The highest.
    bits : int, default=8
        Of ``"bits"``.
    """

    kind: str
    low: float
    high: float
    bits: int = 8

    def apply(self, numbers: np.ndarray) -> np.ndarray:
        """Make bytes of numbers.

        Parameters
        ----------
        numbers : np.ndarray
            Any shape.

        Returns
        -------
        np.ndarray
            uint8 of the same shape.
        """
        match self.kind:
            case "bool":
                return np.where(numbers, np.uint8(255), np.uint8(0))
            case "bits":
                return (numbers.astype(np.int64) >> (self.bits - 8)).astype(np.uint8)
            case "unit":
                return _bytes(numbers * 255.0)
            case "signed":
                return _bytes((numbers + 1.0) * 127.5)
            case "range":
                span = self.high - self.low or 1.0
                return _bytes((numbers.astype(np.float64) - self.low) * (255 / span))
            case _:
                return numbers.astype(np.uint8) if numbers.dtype.kind in "iu" else _bytes(numbers)

    def sentence(self, what: str) -> str:
        """Say the rule.

        Parameters
        ----------
        what : str
            What was scaled, such as ``"18 images with 16 bits a pixel"``.

        Returns
        -------
        str
            Words without a full stop; empty where nothing was done.
        """
        held = f"{what} hold values from {self.low:g} to {self.high:g}"
        match self.kind:
            case "bool":
                return f"{what} hold true and false, which became 255 and 0"
            case "bits":
                return (
                    f"{held}: all were read as {self.bits} bits a pixel and divided by {1 << (self.bits - 8)}"
                )
            case "unit":
                return f"{held}: all were multiplied by 255"
            case "signed":
                return f"{held}: all were brought from −1…1 to 0…255"
            case "range":
                return f"{held}: all were brought from that range to 0…255"
            case _:
                return f"{held}, which were taken as they are, 0 being black and 255 white"


def integer_scaling(low: float, high: float) -> Scaling | None:
    """Find the rule for integers.

    Parameters
    ----------
    low : float
        The lowest of all images.
    high : float
        The highest.

    Returns
    -------
    Scaling | None
        None for negative numbers and more than 16 bits.
    """
    if low < 0 or high >= 1 << 16:
        return None
    bits = next(bits for bits in DEPTHS if high < 1 << bits)
    return Scaling("as they are" if bits == 8 else "bits", low, high, bits)


def float_scaling(low: float, high: float) -> Scaling | None:
    """Find the rule for floating-point numbers.

    Parameters
    ----------
    low : float
        The lowest of all images.
    high : float
        The highest.

    Returns
    -------
    Scaling | None
        None where they are not finite or in none of 0…1, −1…1, 0…255 and 0…65535.
    """
    if not np.isfinite([low, high]).all():
        return None
    if -1 <= low < 0 and high <= 1:
        return Scaling("signed", low, high)
    if low >= 0 and high <= 1:
        return Scaling("unit", low, high)
    return integer_scaling(low, high)


def _bytes(numbers: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(np.rint(numbers), 0, 255).astype(np.uint8))
