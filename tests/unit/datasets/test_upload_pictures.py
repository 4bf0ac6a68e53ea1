"""Pictures of every kind become the pixels that a person sees, and the report tells what was done."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from tests.support.image_sets import (
    animated,
    class_folders,
    distinct,
    ingested,
    labelled,
    turned,
)
from tests.support.uploads import picture, zipped
from tgsh.datasets.uploads.intensities import float_scaling, integer_scaling
from tgsh.errors import InvalidSpec

X, Y = labelled(3, 6)
PLAIN = {(image.tobytes(), str(label)) for image, label in zip(X, Y.tolist(), strict=True)}


def folders(make: Any, ending: str = "png") -> bytes:
    """Class folders of what is made of each image."""
    return zipped({f"{label}/{place}.{ending}": make(place) for place, label in enumerate(Y.tolist())})


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


def refusals(folder: Path, content: bytes, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidSpec) as refused:
        ingested(folder, content, **options)
    return list(refused.value.fields)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "PPM", "JPEG2000", "TGA", "PCX"])
def test_formats_without_loss_give_the_same_pixels(tmp_path: Path, form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    ending = "tga" if form == "TGA" else "img" if form != "PNG" else "png"  # found by content, but for TGA
    found = ingested(tmp_path, folders(lambda n: picture(X[n], form, **options), ending), channels=1)
    assert found.content() == PLAIN


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read(tmp_path: Path) -> None:
    found = ingested(
        tmp_path, folders(lambda n: picture(np.full((16, 16), n * 12, np.uint8), "AVIF"), "avif")
    )
    assert (found.shape[:2], found.report.images) == ((16, 16), 18)


def test_every_image_is_upright(tmp_path: Path) -> None:
    """Eight orientations, in formats that keep them differently."""
    upright = ingested(tmp_path, folders(lambda n: picture(X[n])))
    for form in ("PNG", "TIFF"):
        found = ingested(tmp_path, folders(lambda n, form=form: turned(X[n], n % 8 + 1, form), form.lower()))
        assert found.found == upright.found, form
        assert found.done("turned") == sum(n % 8 > 0 for n in range(18)), form
    jpeg = ingested(
        tmp_path, folders(lambda n: turned(np.repeat(np.repeat(X[n], 8, 0), 8, 1), n % 8 + 1, "JPEG"))
    )
    assert (jpeg.shape, jpeg.done("turned")) == ((64, 72, 1), 15)
    assert "turned upright, as their EXIF orientation says" in jpeg.said()


@pytest.mark.parametrize(
    ("factor", "bits"),
    [(1, "as they are"), (4, "10 bits"), (16, "12 bits"), (256, "16 bits"), (257, "16 bits")],
)
def test_more_bits_become_eight_by_one_rule_for_all(tmp_path: Path, factor: int, bits: str) -> None:
    """12 bits in files of 16 give the pixels of the 8-bit originals, a dim image among them too."""
    x = X.copy()
    x[0, 0, 2] = 255
    x[1] //= 8
    x[1, 0, :2] = X[1, 0, :2]
    plain = ingested(tmp_path, folders(lambda n: picture(x[n])))
    for form in ("PNG", "TIFF"):
        deep = ingested(
            tmp_path, folders(lambda n, form=form: picture(x[n].astype(np.uint16) * factor, form))
        )
        assert deep.found == plain.found
        assert bits in deep.said()
        assert deep.done("scaled") == 18


def test_floats_and_wide_integers_are_scaled_by_a_rule_that_is_told(tmp_path: Path) -> None:
    plain = ingested(tmp_path, folders(lambda n: picture(X[n])))
    unit = ingested(
        tmp_path, folders(lambda n: saved(Image.fromarray((X[n] / 255).astype(np.float32)), "TIFF"))
    )
    assert (
        unit.found.sha256 == plain.found.sha256
        or abs(unit.images.astype(int) - plain.images.astype(int)).max() == 0
    )
    assert "multiplied by 255" in unit.said()
    heights = ingested(
        tmp_path, folders(lambda n: saved(Image.fromarray(X[n].astype(np.float32) * 10 - 1000), "TIFF"))
    )
    assert (heights.images.min(), heights.images.max()) == (0, 255)
    assert "hold values from -1000" in heights.said()
    nan = folders(
        lambda n: saved(Image.fromarray(np.full((8, 9), np.nan if n == 3 else n, np.float32)), "TIFF")
    )
    assert refusals(tmp_path, nan)[0] == ("body", "0/3.png holds a NaN or an infinity")


def test_the_rules_of_scaling() -> None:
    assert [integer_scaling(0, high).bits for high in (255, 256, 1023, 4080, 16383, 65535)] == [
        8,
        10,
        10,
        12,
        14,
        16,
    ]  # type: ignore[union-attr]
    assert integer_scaling(-1, 5) is integer_scaling(0, 65536) is None
    kinds = [
        float_scaling(*each) for each in ((0, 1), (-1, 1), (0, 255), (0, 4095), (-2, 2), (0, float("nan")))
    ]
    assert [each and each.kind for each in kinds] == ["unit", "signed", "as they are", "bits", None, None]
    every = np.arange(256)
    for rule, numbers in ((kinds[0], every / 255), (kinds[1], every / 127.5 - 1), (kinds[2], every * 1.0)):
        assert rule is not None
        assert (rule.apply(numbers.astype(np.float32)) == every).all()


def test_a_palette_of_greys_is_grey(tmp_path: Path) -> None:
    def paletted(n: int) -> bytes:
        image = Image.fromarray(X[n]).convert("RGB").quantize(256) if n >= 12 else Image.fromarray(X[n])
        return saved(image)

    found = ingested(tmp_path, folders(paletted))
    assert (found.shape[2], found.content(), found.done("palettes")) == (1, PLAIN, 6)
    colour = distinct(18, (8, 9, 3)) // 128 * 128
    content = folders(lambda n: saved(Image.fromarray(colour[n]).quantize(16)))
    assert ingested(tmp_path, content).shape[2] == 3


def test_what_is_transparent_lies_on_a_background(tmp_path: Path) -> None:
    ink = folders(lambda n: saved(Image.merge("LA", (Image.new("L", (9, 8)), Image.fromarray(X[n])))))
    (field, words), *others = refusals(tmp_path, ink)
    assert (field, others) == ("background", [])
    assert "18 images are transparent" in words
    assert "?background=white shows the ink" in words
    white = ingested(tmp_path, ink, background="white")
    assert {image.tobytes() for image in white.images} == {(255 - image).tobytes() for image in X}
    assert (white.shape[2], white.done("transparent")) == (1, 18)
    chalk = folders(lambda n: saved(Image.merge("LA", (Image.new("L", (9, 8), 255), Image.fromarray(X[n])))))
    light = ingested(tmp_path, chalk)
    assert (light.content(), light.done("transparent")) == (PLAIN, 18)
    assert "laid on black" in light.said()
    opaque = folders(lambda n: saved(Image.fromarray(X[n]).convert("RGBA")))
    solid = ingested(tmp_path, opaque)
    assert (solid.shape[2], solid.done("opaque alpha")) == (3, 18)
    assert ingested(tmp_path, opaque, channels=1).content() == PLAIN


def test_transparency_of_palettes_and_keys_is_seen(tmp_path: Path) -> None:
    def keyed(n: int) -> bytes:
        return saved(Image.fromarray(np.where(X[n] > 128, 0, 255).astype(np.uint8)), transparency=255)

    assert refusals(tmp_path, folders(keyed))[0][0] == "background"
    assert ingested(tmp_path, folders(keyed), background="white").done("transparent") == 18


def test_cmyk_and_other_colours_become_rgb(tmp_path: Path) -> None:
    colour = distinct(18, (8, 9, 3))
    cmyk = ingested(tmp_path, folders(lambda n: saved(Image.fromarray(colour[n]).convert("CMYK"), "TIFF")))
    assert (cmyk.shape[2], cmyk.done("converted")) == (3, 18)
    assert {image.tobytes() for image in cmyk.images} == {image.tobytes() for image in colour}
    grey_lab = folders(
        lambda n: saved(
            Image.merge("LAB", [Image.fromarray(X[n]), *[Image.new("L", (9, 8), 128)] * 2]), "TIFF"
        )
    )
    assert ingested(tmp_path, grey_lab).shape[2] == 3


@pytest.mark.parametrize("form", ["TIFF", "GIF", "WEBP", "PNG"])
def test_the_first_frame_of_many_is_taken_and_told(tmp_path: Path, form: str) -> None:
    found = ingested(tmp_path, folders(lambda n: animated([X[n], X[n] // 2, X[n] // 3], form)), channels=1)
    if form != "WEBP":
        assert found.content() == PLAIN
    assert found.done("frames") == 18
    assert "36 were left out" in found.said()


def test_colour_of_sixteen_bits_is_told(tmp_path: Path) -> None:
    import struct
    import zlib

    def png48(n: int) -> bytes:
        """Pillow writes none."""
        rows = b"".join(b"\0" + np.repeat(row.astype(">u2") * 257, 3).tobytes() for row in X[n])
        chunks = (
            (b"IHDR", struct.pack(">IIBBBBB", 9, 8, 16, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        )
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )

    found = ingested(tmp_path, folders(png48))
    assert (found.done("deep colour"), found.shape[2]) == (18, 3)
    assert ingested(tmp_path, folders(png48), channels=1).content() == PLAIN


def test_any_size_and_fit(tmp_path: Path) -> None:
    mixed = zipped(
        {f"{k}/{n}.png": picture(distinct(1, (8 + n, 9 + k), seed=n)[0]) for k in range(2) for n in range(5)}
    )
    (field, words), *others = refusals(tmp_path, mixed)
    assert (field, others) == ("size", [])
    assert "images have 10 sizes" in words
    assert "?size=8x9" in words
    for fit in ("squash", "crop", "pad"):
        found = ingested(tmp_path, mixed, size=(6, 6), fit=fit)
        assert found.shape == (6, 6, 1)
        assert found.done("resized") == 10
    wide = zipped(
        {f"{k}/{n}.png": picture(np.full((4, 16), 200 + n, np.uint8)) for k in "ab" for n in range(3)}
    )
    padded = ingested(tmp_path, wide, size=(8, 8), fit="pad", background="white", duplicates="keep")
    assert (padded.images.reshape(-1, 8, 8)[:, 0] == 255).all()


def test_large_photos_are_reduced_while_they_are_decoded(tmp_path: Path) -> None:
    photo = np.kron(np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6), np.ones((600, 500), np.uint8))
    files = {
        f"{k}/{n}.{form.lower()}": picture(np.roll(photo, n * 500, 1) + ("ab".index(k)), form, quality=90)
        for k in "ab"
        for n, form in enumerate(("JPEG", "JPEG", "PNG"))
    }
    (field, words), *_ = refusals(tmp_path, zipped(files))
    assert (field, "2400 × 3000" in words, "?size=64x64" in words) == ("size", True, True)
    found = ingested(tmp_path, zipped(files), size=(4, 6))
    assert found.done("reduced") == 6
    first = found.images[found.labels == 0].reshape(-1, 4, 6)
    assert min(abs(each.astype(int) - photo[300::600, 250::500]).max() for each in first) <= 12


def test_grey_and_colour_need_a_word(tmp_path: Path) -> None:
    files = class_folders() | {"0/7.png": picture(distinct(1, (8, 9, 3))[0])}
    (field, words), *others = refusals(tmp_path, zipped(files))
    assert (field, others) == ("channels", [])
    assert "18 are grey, 1 are not" in words
    assert "?channels=1 or ?channels=3" in words
    assert ingested(tmp_path, zipped(files), channels=3).shape[2] == 3
    assert ingested(tmp_path, zipped(files), channels=1).done("channels") == 1


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    clear = Image.merge("LA", (Image.new("L", (9, 8)), Image.fromarray(X[0])))
    files = class_folders() | {
        "0/bad.png": b"",
        "1/half.png": picture(X[0])[:60],
        "1/large.png": picture(distinct(1, (20, 20))[0]),
        "2/colour.png": picture(distinct(1, (8, 9, 3))[0]),
        "2/clear.png": saved(clear),
        "2/phone.heic": b"\0\0\0\x18ftypheic" + bytes(20),
        "2/drawing.svg": b"<svg/>",
    }
    told = refusals(tmp_path, zipped(files))
    assert [field for field, _ in told] == ["body"] * 4 + ["on_bad", "channels", "size", "background"]
    text = "\n".join(words for _, words in told)
    for words in (
        "0/bad.png is empty",
        "1/half.png cannot be read",
        "save it as JPEG or PNG",
        "drawing.svg is no image",
        "?on_bad=skip takes the other 21",
        "?channels=3",
        "?size=8x9",
        "?background=white",
    ):
        assert words in text, words
    found = ingested(tmp_path, zipped(files), on_bad="skip", channels=1, size=(8, 9), background="white")
    assert (found.report.skipped_count, found.report.images, found.report.found) == (4, 21, 25)
    assert {each.name for each in found.report.skipped} == {
        "0/bad.png",
        "1/half.png",
        "2/phone.heic",
        "2/drawing.svg",
    }
    assert "4 files could not be read and were left out" in found.said()


def test_what_decodes_to_more_than_there_is_room_for_is_refused(tmp_path: Path) -> None:
    flood = picture(np.zeros((6_000, 6_000), np.uint8))
    assert "over 32,000,000" in refusals(tmp_path, zipped({f"{k}/a.png": flood for k in "ab"}))[0][1]
    assert (
        "over 32,000,000"
        in refusals(tmp_path, zipped({f"{k}/a.png": flood for k in "ab"}), size=(8, 8))[0][1]
    )


def test_many_pages_and_long_texts_do_no_harm(tmp_path: Path) -> None:
    pages = animated([X[0]] * 1_200, "TIFF")
    found = ingested(tmp_path, folders(lambda n: pages if n == 0 else picture(X[n])))
    assert "999 were left out" in found.said()
    import struct
    import zlib

    text = zlib.compress(bytes(80 << 20), 9)  # 80 MiB of text in 80 kB
    data = b"k\0\0" + text
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    bomb = picture(X[0])[:33] + chunk + picture(X[0])[33:]
    told = refusals(tmp_path, folders(lambda n: bomb if n == 0 else picture(X[n])))
    assert told[0][1].startswith("0/0.png cannot be read")
