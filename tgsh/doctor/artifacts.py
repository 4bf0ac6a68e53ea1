"""Where results go: there and back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tgsh.doctor.finding import Finding, ok, problem
from tgsh.errors import ArtifactError
from tgsh.settings import StoreSettings
from tgsh.store.artifacts import Artifacts


def look(settings: StoreSettings) -> Iterator[Finding]:
    """Write, read and delete. A folder that is not there yet is not made."""
    url = settings.artifacts
    if "://" not in url and not Path(url).exists():
        yield ok("artifacts", f"will be in {url}")
        return
    key = f"doctor/{secrets.token_hex(8)}.safetensors"
    try:
        artifacts = Artifacts(url)
        sha256 = artifacts.save(key, {"x": np.arange(3, dtype=np.float32)}, {})
        whole = artifacts.is_whole(key, sha256)
        artifacts.remove_all("doctor")
    except ImportError as error:
        package = "pip install 'tgsh[s3]'" if url.startswith("s3:") else "install the package that it names"
        yield problem("artifacts", f"{url}: {error}", package)
    except (ArtifactError, OSError, ValueError) as error:
        remedy = "correct TGSH_ARTIFACTS_URL, FSSPEC_S3_ENDPOINT_URL, FSSPEC_S3_KEY and FSSPEC_S3_SECRET"
        local = "give this user the right to write there, and make room"
        yield problem("artifacts", str(error), remedy if "://" in url else local)
    else:
        if whole and not artifacts.keys("doctor"):
            yield ok("artifacts", f"{url}: written, read, deleted")
        else:
            fault = "nothing is deleted" if whole else "what was written does not come back"
            remedy = "see the rights of the key, and whether the store is healthy"
            yield problem("artifacts", f"{url}: {fault}", remedy)
