"""Commands about reuse: infer, transfer, scenarios, hashing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tgsh.cli.options import Id, Json, Url, connect
from tgsh.cli.output import print_json, print_warnings
from tgsh.errors import InvalidSpec

if TYPE_CHECKING:
    import numpy as np

SHOWN_TASKS = 5


def infer(
    experiment_id: Id,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGES", help="Images of one task: a .npy, .npz, picture, zip of pictures, or folder."
        ),
    ],
    rule: Annotated[str, typer.Option(help="margin, entropy, infomax or blind-hash.")] = "margin",
    stage: Annotated[str, typer.Option(help="after, before, or the number of an epoch.")] = "after",
    size: Annotated[str | None, typer.Option(help="Resize the images to HEIGHTxWIDTH.")] = None,
    channels: Annotated[int | None, typer.Option(help="Make them grey (1) or colour (3).")] = None,
    fit: Annotated[str | None, typer.Option(help="To get another size: squash, crop or pad.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Tell which task unlabelled images come from, and their classes."""
    from tgsh.cli.datasets import parse_size
    from tgsh.cli.reuse_tables import print_inference

    conversion = {"size": parse_size(size), "channels": channels, "fit": fit}
    is_array = file.suffix == ".npy" and not any(conversion.values())
    images = read_images(file) if is_array else file
    with connect(url) as client:
        found = client.infer(experiment_id, images, rule, stage=stage, **conversion)  # type: ignore[arg-type]
    print_warnings(found.warnings)
    if as_json:
        print_json(found)
    else:
        print_inference(found, SHOWN_TASKS)


def transfer(
    experiment_id: Id,
    measure: Annotated[str, typer.Option(help="cosine, correlation or update (of v − v₀).")] = "cosine",
    layer: Annotated[str | None, typer.Option(help="One layer's part only, such as layer-1.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Tell which context to reuse for each task, and what to expect of it."""
    from tgsh.cli.reuse_tables import print_transfer

    with connect(url) as client:
        found = client.transfer(experiment_id, measure, layer)  # type: ignore[arg-type]
    print_warnings(found.warnings)
    if as_json:
        print_json(found)
    else:
        print_transfer(found)


def scenarios(
    experiment_id: Id,
    images: Annotated[int | None, typer.Option(help="A batch; default: 1, 10 and 100.")] = None,
    rule: Annotated[str, typer.Option(help="margin, entropy or infomax.")] = "margin",
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Show accuracy with and without the task's number."""
    from tgsh.cli.reuse_tables import print_scenarios

    with connect(url) as client:
        found = client.scenarios(experiment_id, images, rule)  # type: ignore[arg-type]
    print_warnings(found.warnings)
    if as_json:
        print_json(found)
    else:
        print_scenarios(found)


def hashing(
    experiment_id: Id,
    kind: Annotated[str, typer.Option(help="simhash or top-share.")] = "simhash",
    bits: Annotated[int, typer.Option(help="Of a SimHash; units that are set of a top share.")] = 256,
    count: Annotated[int, typer.Option(help="Nearest codes that are looked at.")] = 10,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Show the network as a hash: collisions, and what codes retrieve."""
    from tgsh.cli.reuse_tables import print_hashing

    with connect(url) as client:
        found = client.hashing(experiment_id, kind, bits, count)  # type: ignore[arg-type]
    print_warnings(found.warnings)
    if as_json:
        print_json(found)
    else:
        print_hashing(found)


def read_images(file: Path) -> np.ndarray:
    """The array in a .npy file. Raises InvalidSpec where it cannot be read or is none."""
    import numpy as np

    try:
        with file.open("rb") as opened:
            array = np.load(opened, allow_pickle=False)
    except OSError as error:
        raise InvalidSpec(str(file), f"cannot be read: {error.strerror}") from error
    except (ValueError, EOFError) as error:
        raise InvalidSpec(str(file), "is no .npy file; numpy.save(file, images) writes one") from error
    if not isinstance(array, np.ndarray):
        raise InvalidSpec(str(file), "holds several arrays; numpy.save(file, images) writes one")
    return array
