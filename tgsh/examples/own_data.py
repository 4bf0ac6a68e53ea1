"""A dataset of your own, from images in memory to a figure: `python -m tgsh.examples.own_data`.

Needs a service (`tgsh up`) and no download. It makes three small sets of coloured shapes, uploads them, and
asks two questions: how do rotations of the shapes resemble one another, and how do the three sets, each a
task over one shared random base?
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tgsh.client import Client
from tgsh.schemas import Experiment

SHAPES = ("bar", "cross", "disc", "ring", "square")
HEIGHT, WIDTH, EACH = 20, 24, 120
LIGHT = {"day": (255, 230, 180), "dusk": (255, 140, 60), "night": (60, 90, 255)}
"""The colour in which each set shows the same kinds of shapes."""


def shape(name: str, rng: np.random.Generator) -> np.ndarray:
    """Where a shape is, somewhere and of some size: bool [HEIGHT, WIDTH]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    y, x = y - HEIGHT / 2 - rng.uniform(-2, 2), x - WIDTH / 2 - rng.uniform(-3, 3)
    size, distance = rng.uniform(5, 8), np.hypot(x, y)
    match name:
        case "bar":
            return np.asarray((np.abs(x) < size / 4) & (np.abs(y) < size))
        case "cross":
            return np.asarray((np.minimum(np.abs(x), np.abs(y)) < size / 5) & (distance < size))
        case "disc":
            return np.asarray(distance < size)
        case "ring":
            return np.asarray((distance < size) & (distance > 0.6 * size))
        case _:
            return np.asarray(np.maximum(np.abs(x), np.abs(y)) < 0.8 * size)


def images(light: tuple[int, int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x uint8 [N, HEIGHT, WIDTH, 3] and y, the names of the shapes [N]."""
    rng = np.random.default_rng(seed)
    y = np.repeat(SHAPES, EACH)
    x = np.stack([shape(name, rng)[..., None] * np.array(light) for name in y.tolist()])
    noise = rng.normal(30, 20, x.shape)
    return np.clip(x + noise, 0, 255).astype(np.uint8), y


def run(client: Client, folder: Path) -> list[Experiment]:
    """Upload, submit, wait, and leave the figures in `folder`."""
    ids = {}
    for seed, (name, light) in enumerate(LIGHT.items()):
        x, y = images(light, seed)
        ids[name] = client.upload(x=x, y=y, name=f"shapes by {name}").id
    training = {"epochs": 5, "batch_size": 32}
    rotated = client.submit(
        {
            "name": "shapes by day, rotated",
            "dataset": {"id": ids["day"]},
            "suite": {"kind": "rotation", "tasks": 12, "step_degrees": 30},
            "network": {"kind": "flynet", "expansion": 5},
            "training": training,
        }
    )
    compared = client.submit(
        {
            "name": "shapes by day, dusk and night",
            "suite": {"kind": "datasets", "datasets": list(ids.values())},
            "network": {"kind": "flynet", "expansion": 5},
            "training": training,
        }
    )
    return [_told(client, submitted.id, folder) for submitted in (rotated, compared)]


def _told(client: Client, experiment: str, folder: Path) -> Experiment:
    ended = client.wait(experiment)
    if ended.status != "completed":
        raise SystemExit(f"{ended.name}: {ended.status}, {ended.reason}")
    nearest = client.nearest(experiment, count=1)
    print(f"{ended.name}: mean test accuracy {ended.mean_accuracy:.3f}")
    for label, places, values in zip(nearest.labels, nearest.nearest, nearest.values, strict=True):
        other = nearest.labels[nearest.tasks.index(places[0])]
        print(f"  {label} is most like {other} ({values[0]:.2f})")
    file = folder / f"{ended.name.replace(' ', '-').replace(',', '')}.png"
    file.write_bytes(client.figure(experiment, "similarity"))
    print(f"  {file}")
    return ended


def main() -> None:
    """Read the command line, and run."""
    parser = argparse.ArgumentParser(description="Upload a dataset of your own and compare its tasks.")
    parser.add_argument("--url", help="the service; default: TGSH_URL, or http://127.0.0.1:8000")
    parser.add_argument("--output", type=Path, default=Path(), help="where the figures go")
    chosen = parser.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    with Client(chosen.url) as client:
        run(client, chosen.output)


if __name__ == "__main__":
    main()
