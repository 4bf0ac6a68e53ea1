"""Base model of all specs, unions tagged by `kind`, references to datasets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

WITHOUT_NUL = r"^[^\x00]*$"
"""A pattern: PostgreSQL's text cannot hold the character NUL."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]

MAX_NAME = 200

MAX_TAGS = 32

MAX_NOTES = 10_000

Name = Annotated[str, StringConstraints(max_length=MAX_NAME, pattern=WITHOUT_NUL)]
Tag = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=WITHOUT_NUL)
]
Notes = Annotated[str, StringConstraints(max_length=MAX_NOTES, pattern=WITHOUT_NUL)]
Project = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=WITHOUT_NUL)
]
"""What people call an experiment or a study, and say of it."""


class Frozen(BaseModel):
    """A strict, immutable value: no unknown keys, no silent conversions, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def tagged(members: Any, *, default: str | None = None) -> WrapValidator:
    """Validator of a union of Frozen classes. default: the kind of an object that names none."""
    classes: dict[str, type[Frozen]] = {
        member.model_fields["kind"].default: member for member in get_args(members) or (members,)
    }

    def choose(value: Any, otherwise: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(value, Mapping):
            return otherwise(value)
        kind = value.get("kind", default)
        if not isinstance(kind, str) or kind not in classes:
            raise _unknown_kind(kind, sorted(classes), missing="kind" not in value)
        return classes[kind].model_validate(value)

    return WrapValidator(choose)


def must_be(expected: str) -> PydanticCustomError:
    """Error of a value that is none of several; expected: what it may be."""
    return PydanticCustomError("literal_error", "must be {expected}", {"expected": expected})


def _unknown_kind(kind: Any, kinds: list[str], *, missing: bool) -> ValidationError:
    """Error at `kind`. A ValidationError out of a validator keeps its path under the field's own."""
    expected = f"{', '.join(map(repr, kinds[:-1]))} or {kinds[-1]!r}" if len(kinds) > 1 else repr(kinds[0])
    problem = (
        PydanticCustomError("missing", "is missing: {expected}", {"expected": expected})
        if missing
        else must_be(expected)
    )
    return ValidationError.from_exception_data(
        "kind", [InitErrorDetails(type=problem, loc=("kind",), input=kind)]
    )


DatasetName = Literal[
    "mnist", "fashion-mnist", "kmnist", "mnist5k",
    "emnist-balanced", "emnist-letters", "emnist-digits", "qmnist", "usps", "svhn", "cifar10", "cifar100",
    "medmnist-pathmnist", "medmnist-dermamnist", "medmnist-octmnist", "medmnist-pneumoniamnist",
    "medmnist-retinamnist", "medmnist-breastmnist", "medmnist-bloodmnist", "medmnist-tissuemnist",
    "medmnist-organamnist", "medmnist-organcmnist", "medmnist-organsmnist",
    "omniglot", "mnist-m", "syn-digits", "notmnist", "pacs",
    "synthetic",
]  # fmt: skip
"""Names of published datasets (`tgsh.datasets.named_sets`), and of generated images."""

ID_PATTERN = "^[0-9a-f]{16}$"
"""An uploaded dataset's id: the first 16 hexadecimal digits of the SHA-256 of its content."""

_NAMED = "|".join(name for name in get_args(DatasetName) if name != "synthetic")
DATASET_PATTERN = f"^({_NAMED})$|{ID_PATTERN}"
DatasetKey = Annotated[str, StringConstraints(pattern=DATASET_PATTERN)]
"""A dataset's name, or an uploaded one's id."""


class UploadedDataset(Frozen):
    """A dataset that POST /datasets took; its id follows from its content."""

    id: str = Field(pattern=ID_PATTERN, description="as POST /datasets answered it")


def _validate_dataset(value: Any, otherwise: ValidatorFunctionWrapHandler) -> Any:
    """Validate a dataset reference. Errors name fields as the request does: `dataset.id`, without a class."""
    if isinstance(value, Mapping):
        return UploadedDataset.model_validate(value)
    names = get_args(DatasetName)
    if value is None or isinstance(value, UploadedDataset) or value in names:
        return otherwise(value)
    raise must_be(", ".join(map(repr, names)) + ', or {"id": …} of an uploaded one')


DatasetSpec = Annotated[DatasetName | UploadedDataset | None, WrapValidator(_validate_dataset)]
