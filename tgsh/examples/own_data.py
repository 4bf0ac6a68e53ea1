"""Example of your own data, from images in memory to figures: `python -m tgsh.examples.own_data`.

It needs a running service (`tgsh up`) and no download. It draws three small datasets of coloured shapes,
uploads them, and runs two experiments: rotations of one dataset, and the three datasets as one task each.
Of both it prints each task's most similar other task, and saves the similarity matrix as a picture.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tgsh.client import Client
from tgsh.schemas import Experiment

SHAPES = ("bar", "cross", "disc", "ring", "square")
HEIGHT, WIDTH = 20, 24
IMAGES_PER_SHAPE = 120
LIGHT_COLOURS = {"day": (255, 230, 180), "dusk": (255, 140, 60), "night": (60, 90, 255)}
"""Colour of the shapes in each dataset, red, green, blue."""


def shape_mask(name: str, rng: np.random.Generator) -> np.ndarray:
    """Pixels of a shape of random place and size, bool (HEIGHT, WIDTH)."""
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


def make_images(colour: tuple[int, int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images x, uint8 (N, HEIGHT, WIDTH, 3), and their classes y, the names of the shapes (N,)."""
    rng = np.random.default_rng(seed)
    y = np.repeat(SHAPES, IMAGES_PER_SHAPE)
    x = np.stack([shape_mask(name, rng)[..., None] * np.array(colour) for name in y.tolist()])
    noise = rng.normal(30, 20, x.shape)
    return np.clip(x + noise, 0, 255).astype(np.uint8), y


def run(client: Client, folder: Path) -> list[Experiment]:
    """Upload the datasets, run both experiments, and save their figures in `folder`."""
    dataset_ids = {}
    for seed, (name, colour) in enumerate(LIGHT_COLOURS.items()):
        x, y = make_images(colour, seed)
        dataset_ids[name] = client.upload(x=x, y=y, name=f"shapes by {name}").id
    training = {"epochs": 5, "batch_size": 32}
    rotations = client.submit(
        {
            "name": "shapes by day, rotated",
            "dataset": {"id": dataset_ids["day"]},
            "suite": {"kind": "rotation", "tasks": 12, "step_degrees": 30},
            "network": {"kind": "flynet", "expansion": 5},
            "training": training,
        }
    )
    datasets = client.submit(
        {
            "name": "shapes by day, dusk and night",
            "suite": {"kind": "datasets", "datasets": list(dataset_ids.values())},
            "network": {"kind": "flynet", "expansion": 5},
            "training": training,
        }
    )
    return [report(client, experiment.id, folder) for experiment in (rotations, datasets)]


def report(client: Client, experiment_id: str, folder: Path) -> Experiment:
    """Wait for an experiment, print its nearest tasks, and save its similarity matrix as a picture."""
    experiment = client.wait(experiment_id)
    if experiment.status != "completed":
        raise SystemExit(f"{experiment.name}: {experiment.status}, {experiment.reason}")
    nearest = client.nearest(experiment_id, count=1)
    print(f"{experiment.name}: mean test accuracy {experiment.mean_accuracy:.3f}")
    for label, tasks, values in zip(nearest.labels, nearest.nearest, nearest.values, strict=True):
        other = nearest.labels[nearest.tasks.index(tasks[0])]
        print(f"  {label} is most like {other} ({values[0]:.2f})")
    file = folder / f"{experiment.name.replace(' ', '-').replace(',', '')}.png"
    file.write_bytes(client.figure(experiment_id, "similarity"))
    print(f"  {file}")
    return experiment


def main() -> None:
    """Run the example with the options of the command line."""
    parser = argparse.ArgumentParser(description="Upload a dataset of your own and compare its tasks.")
    parser.add_argument("--url", help="the service; default: TGSH_URL, or http://127.0.0.1:8000")
    parser.add_argument("--output", type=Path, default=Path(), help="where the figures go")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with Client(options.url) as client:
        run(client, options.output)


if __name__ == "__main__":
    main()
