"""Small bundles without trained results, for tests of reader and writer."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from tests.support.execution import SPEC
from tgsh.bundles.writer import Member, pack

SHAPE = (3, 3, 4)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def files() -> dict[str, bytes]:
    """Files that a bundle needs to be read."""
    experiment = {
        "id": "0" * 16,
        "name": "small",
        "digest": SPEC.digest(),
        "base_id": "b" * 64,
        "versions": {"torch": "2"},
        "compute": ["cpu AVX2 numba 0.68.1 fused"],
        "machines": ["Linux x86_64"],
    }
    images = [{"train": "a" * 64, "test": "b" * 64, "tasks": [0, 1, 2]}]
    return {
        "datasets.json": json.dumps({"dataset": "mnist5k", "images": images}).encode(),
        "experiment.json": json.dumps(experiment).encode(),
        "spec.json": SPEC.model_dump_json().encode(),
        "vectors.npy": npy(np.arange(36, dtype="<f4").reshape(SHAPE)),
    }


def packed_bundle(content: Mapping[str, bytes]) -> bytes:
    """Bundle of these files, as the service packs them."""
    members = [Member(name, len(data), (data[:3], data[3:])) for name, data in content.items()]
    return b"".join(pack(members, {"figures/x.png": "not asked for"}))


def unpack(bundle: bytes) -> dict[str, bytes]:
    """Files of a zip by their names."""
    with ZipFile(io.BytesIO(bundle)) as zip:
        return {name: zip.read(name) for name in zip.namelist()}


def zipped(content: Mapping[str, bytes], compression: int = ZIP_STORED) -> bytes:
    """Zip of these files without a manifest."""
    file = io.BytesIO()
    with ZipFile(file, "w", compression) as zip:
        for name, data in content.items():
            zip.writestr(name, data)
    return file.getvalue()
