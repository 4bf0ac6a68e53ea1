"""What all pages stand in: no foreign code but what is listed, nothing from elsewhere, errors as pages."""

from __future__ import annotations

import hashlib
import json

from service.dashboard.static import FOLDER

VENDOR = FOLDER / "vendor"


def test_foreign_code_is_what_its_list_says() -> None:
    listed = json.loads((VENDOR / "vendor.json").read_text())
    files = {path.name for path in VENDOR.iterdir() if path.is_file()} - {"vendor.json"}
    assert files == {entry["file"] for entry in listed}
    for entry in listed:
        assert hashlib.sha256((VENDOR / entry["file"]).read_bytes()).hexdigest() == entry["sha256"], entry[
            "file"
        ]
        assert entry["registry"] == f"npm:{entry['name']}@{entry['version']}"
        licence = (VENDOR / entry["licence_file"]).read_text()
        assert entry["licence"] in ("MIT", "0BSD")
        assert "Permission" in licence
