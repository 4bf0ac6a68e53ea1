"""Unions of values told apart by `kind`, whose errors name fields as the request does.

pydantic's own tagged unions put the tag into the path of an error (`suite.rotation.tasks`) and want
`kind` spelled out; here the path is `suite.tasks`, and one kind may be what is meant without the word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import InitErrorDetails, PydanticCustomError

from tgsh.spec.values import Frozen


def tagged(members: Any, *, default: str | None = None) -> WrapValidator:
    """The validator of a union of Frozen classes. default: the kind of an object that names none."""
    classes: dict[str, type[Frozen]] = {
        member.model_fields["kind"].default: member for member in get_args(members) or (members,)
    }

    def choose(value: Any, otherwise: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(value, Mapping):
            return otherwise(value)
        kind = value.get("kind", default)
        if not isinstance(kind, str) or kind not in classes:
            raise _unknown(kind, sorted(classes), missing="kind" not in value)
        return classes[kind].model_validate(value)

    return WrapValidator(choose)


def _unknown(kind: Any, known: list[str], *, missing: bool) -> ValidationError:
    """An error at `kind`. A ValidationError out of a validator keeps its path under the field's own."""
    expected = f"{', '.join(map(repr, known[:-1]))} or {known[-1]!r}" if len(known) > 1 else repr(known[0])
    problem = (
        PydanticCustomError("missing", "Field required: {expected}", {"expected": expected})
        if missing
        else PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
    )
    return ValidationError.from_exception_data(
        "kind", [InitErrorDetails(type=problem, loc=("kind",), input=kind)]
    )
