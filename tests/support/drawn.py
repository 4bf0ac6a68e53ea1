"""What a figure that is drawn shows: its words and sizes, the pixels and points of an SVG of Matplotlib."""

from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
from PIL import Image

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
MM = 25.4 / 72


class Drawn:
    """An SVG that Matplotlib wrote."""

    def __init__(self, content: str) -> None:
        self._root = ElementTree.fromstring(content)

    @property
    def width(self) -> float:
        """Width, mm."""
        return MM * float(self._root.attrib["width"].removesuffix("pt"))

    @property
    def texts(self) -> list[tuple[str, float]]:
        """Words and sizes (points) of the letters that stayed letters, as they are drawn one by one."""
        found = []
        for text in self._root.iter(f"{SVG}text"):
            size = re.search(r"([\d.]+)px", text.attrib["style"])
            assert size is not None
            found.append(("".join(text.itertext()).strip(), float(size[1])))
        return found

    @property
    def pixels(self) -> np.ndarray:
        """The first picture in it, uint8 [P, P, 4]."""
        image = next(self._root.iter(f"{SVG}image"))
        pixels = decoded(image.attrib[HREF])
        flips = "scale(1 -1)" in image.attrib.get("transform", "")
        return pixels[::-1] if flips else pixels

    @property
    def points(self) -> list[tuple[str, float, float]]:
        """Colour and place of every point of a scatter, in the order of the tasks."""
        group = next(group for group in self._root.iter(f"{SVG}g") if "PathCollection" in group.get("id", ""))
        found = []
        for use in group.iter(f"{SVG}use"):
            fill = re.search(r"fill: (#\w{6})", use.attrib["style"])
            assert fill is not None
            found.append((fill[1], float(use.attrib["x"]), float(use.attrib["y"])))
        return found


def decoded(href: str) -> np.ndarray:
    """The pixels of a picture in a data URL, uint8 [H, W, 4]."""
    content = base64.b64decode(href.partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))


def cells(pixels: np.ndarray, tasks: int) -> np.ndarray:
    """The colours in the middles of the cells of a matrix, int [T, T, 4]."""
    height, width = pixels.shape[:2]
    rows, columns = (((np.arange(tasks) + 0.5) * side / tasks).astype(int) for side in (height, width))
    return pixels[np.ix_(rows, columns)].astype(int)
