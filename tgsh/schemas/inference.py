"""What one task's network makes of images that the caller sends."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from tgsh.schemas.wire import Wire

_ABOUT: dict[str, Any] = {
    "experiment_id": "0123456789abcdef",
    "base_id": "3b6a2f0c5d1e4b7898a7c6d5e4f30211aabbccddeeff00112233445566778899",
    "stage": "after",
    "task": 9,
    "label": "90°",
}


class Predictions(Wire):
    """Of every image the class that the network sees in it, and the probabilities of all K classes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_ABOUT,
                    "classes": [7],
                    "class_names": ["7"],
                    "probabilities": [[0.01, 0.0, 0.02, 0.03, 0.0, 0.01, 0.0, 0.9, 0.01, 0.02]],
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    stage: str = Field(description='"before", "after" or the number of an epoch')
    task: int
    label: str
    classes: list[int] = Field(description="the most probable class of each image")
    class_names: list[str] = Field(default_factory=list, description="of these classes")
    probabilities: list[list[float]] = Field(description="softmax of the logits, a row an image: n×K")


class Representations(Wire):
    """r_t(x) of every image, what the readout makes logits of: a row an image, n×R."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_ABOUT, "values": [[0.0, 0.12, -0.05, 0.0, 0.31]]}]}
    )

    experiment_id: str
    base_id: str
    stage: str = Field(description='"before", "after" or the number of an epoch')
    task: int
    label: str
    values: list[list[float]]
