"""Pictures in files: what one is, upright, on a background, and its pixels."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ExifTags import Base

from tgsh.datasets.conversion import converted_picture
from tgsh.datasets.uploads.intensities import Scaling
from tgsh.specs.suites import Fit

FORMATS = (
    *("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000", "DIB", "PCX", "PSD"),
    *("QOI", "SGI", "SUN", "DDS", "ICO"),
)
"""Formats with a mark to be recognised by that Pillow decodes itself (it leaves EPS to a program)."""

NAMED_FORMATS = {"tga": "TGA"}
"""Formats without a mark, by the ending of the file's name."""

SHOWN_FORMATS = "PNG, JPEG, TIFF, BMP, GIF, WEBP, AVIF, JPEG 2000, PPM and others that Pillow reads"

MAX_FILE_BYTES = 32 << 20
MAX_FILE_PIXELS = 32_000_000
"""Of an image as it is decoded: beyond that, a decompression bomb."""

MAX_JPEG_PIXELS = 170_000_000
"""Of a JPEG that is made smaller while it is decoded; Pillow refuses more."""

LARGE = 4_000_000
"""Pixels from which on a photo is made smaller while it is decoded, where another size is asked for."""

MAX_FRAMES = 1_000

GREY_MODES = ("1", "L", "LA", "La")
DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")

HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")

DARK = 64
"""Mean of what is visible on a transparent picture: darker than that, black would hide it."""

DECODER_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    TypeError,
    IndexError,
    KeyError,
    ZeroDivisionError,
    OverflowError,
    AttributeError,
    RuntimeError,
    NotImplementedError,
    Image.DecompressionBombError,
)
"""Errors of Pillow's decoders about a file that is damaged."""


class BadPicture(Exception):
    """A file that is no picture, or a damaged one; says why."""


@dataclass
class Picture:
    """A decoded picture, upright, at the size that it has.

    Attributes
    ----------
    image : Image.Image
        The first frame, decoded.
    size : tuple[int, int]
        (height, width), upright, of the file.
    is_deep : bool
        Whether its pixels are no bytes.
    channels : int
        1 or 3.
    is_turned : bool
        Whether EXIF said so.
    frames : int
        Frames or pages of the file.
    is_reduced : bool
        Whether it was made smaller while it was decoded.
    has_alpha : bool
        Whether it has an alpha channel.
    is_clear : bool
        Whether some pixel is transparent.
    is_dark : bool
        Whether black would hide what is visible.
    notes : list[str]
        Other things to tell: ``"grey palette"``, ``"palette"``, ``"cmyk"``, ``"lab"``, ``"deep colour"``.
    """

    image: Image.Image
    size: tuple[int, int]
    is_deep: bool
    channels: int
    is_turned: bool
    frames: int
    is_reduced: bool
    has_alpha: bool = False
    is_clear: bool = False
    is_dark: bool = False
    notes: list[str] = field(default_factory=list)

    def numbers(self) -> np.ndarray:
        """Return the pixels of a deep picture.

        Returns
        -------
        np.ndarray
            Integers or floats [H, W].
        """
        return np.asarray(self.image)


def decode_picture(content: bytes, name: str, target: tuple[int, int] | None = None) -> Picture:
    """Decode a picture file.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        Its name; only of use where a format has no mark.
    target : tuple[int, int] | None, default=None
        (height, width) that it is going to get: large photos are made smaller while they are decoded.

    Returns
    -------
    Picture
        The picture.

    Raises
    ------
    BadPicture
        If it is none, is damaged or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is too large or odd is refused or told
            image = _opened(content, name)
            return _decoded(image, target)
    except UnidentifiedImageError as error:
        raise BadPicture(_unknown(content)) from error
    except MemoryError as error:
        raise BadPicture("takes more memory to decode than there is; make it smaller") from error
    except DECODER_ERRORS as error:
        reason = str(error).replace("<_io.BytesIO object", "<file") or type(error).__name__
        raise BadPicture(f"cannot be read: {reason[:150]}") from error


def _opened(content: bytes, name: str) -> Image.Image:
    more = NAMED_FORMATS.get(name.rpartition(".")[2].lower())
    if content[4:8] == b"ftyp" and content[8:12] in HEIC_BRANDS:
        if _has_heif():
            return Image.open(io.BytesIO(content), formats=("HEIF",))
        raise UnidentifiedImageError("HEIC")
    return Image.open(io.BytesIO(content), formats=(*FORMATS, more) if more else FORMATS)


@cache
def _has_heif() -> bool:
    """True where Pillow's plugin for HEIC is installed."""
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
        return True
    return False


def _unknown(content: bytes) -> str:
    if content[4:8] == b"ftyp" and content[8:12] in HEIC_BRANDS:
        return (
            "is a HEIC picture, which is not read here; save it as JPEG or PNG (an iPhone takes JPEG with "
            "Settings, Camera, Formats, Most Compatible)"
        )
    if not content:
        return "is empty"
    return f"is no image of these: {SHOWN_FORMATS}"


def _decoded(image: Image.Image, target: tuple[int, int] | None) -> Picture:
    width, height = image.size
    orientation = _tiff_orientation(image)
    pixels, is_reduced = width * height, False
    if target is not None and pixels > LARGE and image.format in ("JPEG", "MPO"):
        side = 2 * max(target)
        image.draft(None, (side, side))
        is_reduced = image.size != (width, height)
    limit = MAX_JPEG_PIXELS if is_reduced else MAX_FILE_PIXELS
    if pixels > limit or image.width * image.height > MAX_FILE_PIXELS:
        raise BadPicture(f"has {pixels:,} pixels, over {limit:,}; make it smaller")
    frames = _frames(image)
    deep_colour = _is_deep_colour(image)
    image.load()
    if not orientation and _may_have_orientation(image):
        orientation = image.getexif().get(Base.Orientation, 1)
    is_turned = orientation in range(2, 9)
    if is_turned and image.format != "TIFF":  # Pillow turns these itself
        image = ImageOps.exif_transpose(image)
    if orientation in range(5, 9) and image.format != "TIFF":
        width, height = height, width
    picture = _described(image, (height, width), is_turned, frames, is_reduced)
    if deep_colour:
        picture.notes.append("deep colour")
    if target is not None and not is_reduced and pixels > LARGE and not picture.is_deep:
        factor = min(picture.image.width // (2 * target[1]), picture.image.height // (2 * target[0]))
        if factor > 1:
            picture.image, picture.is_reduced = picture.image.reduce(factor), True
    return picture


def _tiff_orientation(image: Image.Image) -> int:
    if image.format != "TIFF":
        return 0
    return int(image.getexif().get(Base.Orientation, 1))


def _may_have_orientation(image: Image.Image) -> bool:
    keys = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
    return any(key in image.info for key in keys)


def _frames(image: Image.Image) -> int:
    """Frames of a file, counted as far as MAX_FRAMES; the first is the current one again."""
    if image.format in ("GIF", "TIFF"):
        count = 1
        try:
            while count < MAX_FRAMES:
                image.seek(count)
                count += 1
        except EOFError:
            pass
        except (*DECODER_ERRORS, MemoryError):
            pass  # what comes after the first frame is of no interest
        if count > 1:
            image.seek(0)
        return count
    return int(getattr(image, "n_frames", 1))


def _is_deep_colour(image: Image.Image) -> bool:
    """True where a colour image has 16 bits a channel, of which Pillow reads the upper 8."""
    if image.mode not in ("RGB", "RGBA", "LA"):
        return False
    tiles = getattr(image, "tile", None) or ()
    arguments = tiles[0][3] if tiles else ""
    raw = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return isinstance(raw, str) and ";16" in raw


def _described(
    image: Image.Image, size: tuple[int, int], is_turned: bool, frames: int, is_reduced: bool
) -> Picture:
    mode, notes = image.mode, list[str]()
    has_alpha = mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    if mode in DEEP_MODES:
        return Picture(image, size, True, 1, is_turned, frames, is_reduced)
    is_grey = mode in GREY_MODES
    if mode in ("P", "PA"):
        is_grey = _is_grey_palette(image)
        notes.append("grey palette" if is_grey else "palette")
    elif mode in ("CMYK", "YCbCr", "HSV"):
        notes += ["cmyk"] if mode == "CMYK" else []
        image = image.convert("RGB")
    elif mode == "LAB":
        notes.append("lab")
        image = _from_lab(image)
    picture = Picture(image, size, False, 1 if is_grey else 3, is_turned, frames, is_reduced, notes=notes)
    if has_alpha:
        picture.has_alpha = True
        clear = image.convert("RGBA")
        alpha = np.asarray(clear.getchannel("A"))
        if alpha.min() == 255:
            picture.image = clear.convert("L" if is_grey else "RGB")
        else:
            picture.image, picture.is_clear = clear, True
            picture.is_dark = _is_dark(clear, alpha)
    elif mode in ("P", "1", "RGBX"):
        picture.image = image.convert("L" if is_grey else "RGB")
    return picture


def _is_grey_palette(image: Image.Image) -> bool:
    """True where all colours of a palette that are in use are greys."""
    palette = image.getpalette("RGB") or []
    counts = image.getchannel(0).histogram() if image.mode == "PA" else image.histogram()
    used = [index for index, count in enumerate(counts[:256]) if count]
    colours = np.array(palette, np.uint8).reshape(-1, 3)
    held = colours[[index for index in used if index < len(colours)]]
    return bool((held == held[:, :1]).all())


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    profiles = (ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"))
    found = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
    if found is None:
        raise ValueError("its colours cannot be converted")
    return found


def _is_dark(clear: Image.Image, alpha: np.ndarray) -> bool:
    """True where what is visible is nearly black, so that a black background would hide it."""
    weights = alpha.astype(np.float64)
    total = weights.sum()
    if total == 0:
        return False
    grey = np.asarray(clear.convert("RGB").convert("L"), np.float64)
    return bool((grey * weights).sum() / total < DARK)


@dataclass(frozen=True)
class Conversion:
    """The making of every picture of an upload.

    Attributes
    ----------
    shape : tuple[int, int, int]
        (height, width, channels) that it gets.
    fit : Fit
        How it gets another size.
    background : tuple[int, int, int]
        Colour under transparent pixels, and of margins.
    scaling : Scaling | None
        Of deep pictures.
    """

    shape: tuple[int, int, int]
    fit: Fit
    background: tuple[int, int, int]
    scaling: Scaling | None = None

    def pixels(self, picture: Picture) -> np.ndarray:
        """Convert a picture.

        Parameters
        ----------
        picture : Picture
            Deep ones need a scaling.

        Returns
        -------
        np.ndarray
            uint8 [H·W·C].
        """
        image = picture.image
        if picture.is_deep and self.scaling is not None:
            image = Image.fromarray(self.scaling.apply(picture.numbers()))
        if picture.is_clear:
            ground = Image.new("RGBA", image.size, (*self.background, 255))
            image = Image.alpha_composite(ground, image).convert("L" if picture.channels == 1 else "RGB")
        plain = converted_picture(image, self.shape, self.fit, self.background)
        return np.asarray(plain, np.uint8).ravel()
