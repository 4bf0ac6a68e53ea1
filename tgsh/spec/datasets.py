"""Where an experiment's images come from: a dataset that has a name, or one that was uploaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, StringConstraints, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from tgsh.spec.values import Frozen

DatasetName = Literal["mnist", "fashion-mnist", "kmnist", "mnist5k", "synthetic"]

ID_PATTERN = "^[0-9a-f]{16}$"
"""The first 16 hexadecimal digits of what a dataset's content amounts to."""

DatasetKey = Annotated[str, StringConstraints(pattern=f"^(mnist|fashion-mnist|kmnist|mnist5k)$|{ID_PATTERN}")]
"""A dataset's name, or an uploaded one's id."""


class UploadedDataset(Frozen):
    """A dataset that POST /datasets took; its id follows from its content."""

    id: str = Field(pattern=ID_PATTERN, description="as POST /datasets answered it")


def _choose(value: Any, otherwise: ValidatorFunctionWrapHandler) -> Any:
    """Errors name fields as the request does: `dataset.id`, not `dataset.UploadedDataset.id`."""
    if isinstance(value, Mapping):
        return UploadedDataset.model_validate(value)
    names = get_args(DatasetName)
    if value is None or isinstance(value, UploadedDataset) or value in names:
        return otherwise(value)
    raise PydanticCustomError(
        "literal_error",
        "Input should be {expected}",
        {"expected": ", ".join(map(repr, names)) + ', or {"id": …} of an uploaded one'},
    )


DatasetSpec = Annotated[DatasetName | UploadedDataset | None, WrapValidator(_choose)]
