"""Example of a folder of photos, as a phone leaves it: `python -m tgsh.examples.own_photos`.

It needs a running service (`tgsh up`) and no download. It draws photos of leaves in twelve folders with
German names: upright and on their side as cameras save them, three of them broken, system files among them.
The folder goes in with one call, whose report it prints; then it trains rotations of the photos, and saves
their figures.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tgsh.client import Client
from tgsh.schemas import Dataset, Experiment

NAMES = (
    "Ahorn", "Bärlauch", "Buche", "Eiche", "Erle", "Esche",
    "Haselnuß", "Kürbis", "Linde", "Nußbaum", "Pappel", "Ulme",
)  # fmt: skip
PHOTOS = 30
"""Of each class."""

WIDTH, HEIGHT = 120, 90
ORIENTATION, ON_ITS_SIDE = 0x0112, 6
"""The EXIF tag of a camera's orientation, and its value for: turn by 90° clockwise to look at it."""


def leaf(number: int, rng: np.random.Generator) -> Image.Image:
    """A photo of a leaf of class `number`: its number of lobes, length and colour."""
    photo = Image.new("RGB", (WIDTH, HEIGHT), tuple(rng.integers(190, 255, 3).tolist()))
    angles = np.linspace(0, 2 * np.pi, 120)
    lobes, slimness = 1 + number % 4, (1.0, 0.7, 0.45)[number // 4]
    radius = 34 * (1 + 0.25 * np.cos(lobes * angles)) * rng.uniform(0.8, 1.1)
    x = WIDTH / 2 + rng.uniform(-8, 8) + radius * np.cos(angles)
    y = HEIGHT / 2 + rng.uniform(-6, 6) + slimness * radius * np.sin(angles)
    green = (20 + 12 * number, 90 + 10 * (number % 6), 40)
    ImageDraw.Draw(photo).polygon(list(zip(x.tolist(), y.tolist(), strict=True)), fill=green)
    return photo


def make_photos(folder: Path, seed: int = 0) -> None:
    """Draw a folder of photos, every other one saved on its side, three of them broken."""
    rng = np.random.default_rng(seed)
    for number, name in enumerate(NAMES):
        (folder / name).mkdir(parents=True)
        for index in range(PHOTOS):
            photo, exif = leaf(number, rng), Image.Exif()
            if index % 2:
                photo = photo.transpose(Image.Transpose.ROTATE_90)
                exif[ORIENTATION] = ON_ITS_SIDE
            photo.save(folder / name / f"IMG_{index:04}.jpg", exif=exif, quality=90)
    for name in ("Ahorn", "Kürbis", "Ulme"):
        broken = folder / name / "IMG_0003.jpg"
        broken.write_bytes(broken.read_bytes()[:200])
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (folder / "LIESMICH.txt").write_text("Blätter vom Hof, Herbst.\n", encoding="utf-8")


def run(client: Client, photos: Path, output: Path) -> tuple[Dataset, Experiment]:
    """Upload the folder, print what was made of it, and train rotations of its photos."""
    dataset = client.upload(photos, name="Blätter", size=(24, 32), on_bad="skip")
    assert dataset.report is not None
    for sentence in dataset.report.sentences:
        print(f"{sentence}.")
    made = client.submit(
        {
            "name": "leaves, rotated",
            "dataset": {"id": dataset.id},
            "suite": {"kind": "rotation", "tasks": 8, "step_degrees": 45},
            "network": {"kind": "flynet", "expansion": 4},
            "training": {"epochs": 5, "batch_size": 32},
        }
    )
    experiment = client.wait(made.id)
    if experiment.status != "completed":
        raise SystemExit(f"{experiment.name}: {experiment.status}, {experiment.reason}")
    print(f"{experiment.name}: mean test accuracy {experiment.mean_accuracy:.3f} of {len(NAMES)} classes")
    for name in ("similarity", "reconstructions"):
        file = output / f"leaves-{name}.png"
        file.write_bytes(client.figure(experiment.id, name))
        print(f"  {file}")
    return dataset, experiment


def main() -> None:
    """Run the example with the options of the command line."""
    parser = argparse.ArgumentParser(description="Upload a folder of photos, and compare its rotations.")
    parser.add_argument("--url", help="the service; default: TGSH_URL, or http://127.0.0.1:8000")
    parser.add_argument("--output", type=Path, default=Path(), help="where the figures go")
    parser.add_argument("--photos", type=Path, help="make the photos there and keep them")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Client(options.url) as client:
        photos = options.photos or Path(folder) / "Blätter"
        make_photos(photos)
        run(client, photos, options.output)


if __name__ == "__main__":
    main()
