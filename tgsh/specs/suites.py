"""Specs of suites: the tasks that are made from a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)

from tgsh.specs.base import WITHOUT_NUL, DatasetKey, Frozen, Seed, must_be, tagged
from tgsh.specs.transforms import TransformSpec

MAX_TASKS = 10_000

KIND = Field(description="which suite this is; the other fields are those of this one alone")


class RotationSuite(Frozen):
    """Task k sees every image rotated by k·step_degrees counter-clockwise (nearest neighbour, zero fill)."""

    kind: Annotated[Literal["rotation"], KIND] = "rotation"
    tasks: int = Field(36, ge=1, le=MAX_TASKS, description="number of tasks, T")
    step_degrees: float = Field(10.0, gt=-360, lt=360, description="degrees between neighbouring tasks")


class ShiftSuite(Frozen):
    """Task k sees every image rolled k·step_pixels to the right; what leaves comes back on the left."""

    kind: Annotated[Literal["shift"], KIND] = "shift"
    tasks: int | None = Field(
        None, ge=1, le=MAX_TASKS, description="number of tasks, T; null: as many as fit until it wraps"
    )
    step_pixels: int = Field(1, ge=1, description="pixels between neighbouring tasks; less than the width")


class PermutationSuite(Frozen):
    """Task 0 sees images as they are, every other task through a fixed random permutation of its own."""

    kind: Annotated[Literal["permutation"], KIND] = "permutation"
    tasks: int = Field(10, ge=1, le=MAX_TASKS, description="number of tasks, T")
    permutation_seed: Seed = Field(0, description="decides the permutations, and nothing else")


class AugmentSuite(Frozen):
    """The eight transforms of the paper's Table 1, a task each; what is random is drawn anew every epoch."""

    kind: Annotated[Literal["augment"], KIND] = "augment"


Dimensions = Annotated[int, Field(ge=2, le=64)]


class ManifoldSuite(Frozen):
    """Synthetic tasks x = F(γ_t, ω_k, θ) on unit spheres, F a random analytic map (section 2.1 of the paper).

    Makes its own images, so that `dataset` is "synthetic". The true γ_t are among the tasks' parameters.
    """

    kind: Annotated[Literal["manifold"], KIND] = "manifold"
    tasks: int = Field(24, ge=1, le=MAX_TASKS, description="number of tasks, T")
    classes: int = Field(10, ge=2, le=1_000, description="number of classes, K; they are alike in all tasks")
    side: int = Field(16, ge=4, le=64, description="height and width of an image, pixels")
    task_dimensions: Dimensions = Field(3, description="of the sphere's space that γ_t lies in")
    class_dimensions: Dimensions = Field(8, description="of the space of ω_k")
    perturbation_dimensions: Dimensions = Field(8, description="of the space of θ")
    perturbation: float = Field(2.0, ge=0, le=10, description="length of θ, where γ_t and ω_k have length 1")
    train_images: int = Field(4_000, ge=1, le=1_000_000, description="training images of each task")
    test_images: int = Field(1_000, ge=1, le=1_000_000, description="test images of each task")
    manifold_seed: Seed = Field(0, description="decides F and all points on the spheres, and nothing else")


class CustomTask(Frozen):
    """A task of transforms, one after the other; none is the identity."""

    label: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=WITHOUT_NUL)
    ] = Field(description="what the task is called in matrices and figures; no two tasks have the same")
    transforms: Annotated[tuple[TransformSpec, ...], Field(strict=False)] = Field(
        (), max_length=16, description="what happens to its images, one after the other; none: as they are"
    )


class CustomSuite(Frozen):
    """Tasks that the caller composes of named transforms with parameters."""

    kind: Annotated[Literal["custom"], KIND] = "custom"
    tasks: Annotated[tuple[CustomTask, ...], Field(strict=False)] = Field(
        max_length=MAX_TASKS,
        description="tasks in the order of the matrix, each with its label and its transforms",
        json_schema_extra={"minItems": 1},
    )

    @field_validator("tasks", mode="before")
    @classmethod
    def _limit_number(cls, tasks: Any) -> Any:
        if isinstance(tasks, list | tuple) and len(tasks) > MAX_TASKS:  # before each of them is validated
            raise ValueError(f"{len(tasks):,} tasks are more than {MAX_TASKS:,}")
        return tasks

    @field_validator("tasks")
    @classmethod
    def _require_distinct_labels(cls, tasks: tuple[CustomTask, ...]) -> tuple[CustomTask, ...]:
        if not tasks:  # min_length would complain of tasks that are there but not valid, too
            raise ValueError("there must be a task")
        if len({task.label for task in tasks}) < len(tasks):
            raise ValueError("labels must differ: a matrix is read by them")
        return tasks


MatchingRule = Literal["names", "nearest", "order"]
Fit = Literal["squash", "crop", "pad"]
Side = Annotated[int, Field(ge=1, le=128)]


class ClassNames(dict[str, dict[str, str]]):
    """Names of outputs by dataset and its own names of classes; hashable, as every value of a spec is."""

    def __hash__(self) -> int:  # type: ignore[override]  # nobody changes a frozen spec
        return hash(tuple((dataset, tuple(sorted(names.items()))) for dataset, names in sorted(self.items())))


def _validate_classes(value: Any, _otherwise: ValidatorFunctionWrapHandler) -> Any:
    """Validate a rule or a map. Errors name the field as the request does, without a member of a union."""
    if isinstance(value, str) and value in get_args(MatchingRule):
        return value
    if isinstance(value, Mapping) and all(
        isinstance(dataset, str)
        and isinstance(names, Mapping)
        and all(isinstance(text, str) for pair in names.items() for text in pair)
        for dataset, names in value.items()
    ):
        return ClassNames({dataset: dict(names) for dataset, names in value.items()})
    raise must_be(
        "'names', 'nearest', 'order', or a map by dataset, from its names of classes to those of outputs, "
        'such as {"mnist5k": {"0": "zero"}}'
    )


class DatasetsSuite(Frozen):
    """Each dataset is one task, its images as they are; `dataset` is null.

    Images must have one size and as many channels, or `size` and `channels` say what they become. `classes`
    says which classes are the same in two datasets: those are learned by the same output of the network, and
    what a dataset lacks never occurs in its task. Pixels are normalised as in an experiment of that dataset
    alone: "auto" is MNIST's mean and deviation for MNIST's family, and its own for every other; "dataset" its
    own for each.
    """

    kind: Annotated[Literal["datasets"], KIND] = "datasets"
    datasets: Annotated[tuple[DatasetKey, ...], Field(strict=False)] = Field(
        min_length=1, max_length=100, description="ids of uploaded datasets, or names such as mnist5k"
    )
    classes: Annotated[MatchingRule | dict[str, dict[str, str]], WrapValidator(_validate_classes)] = Field(
        "order",
        description="which classes are the same: those of one name (names), those whose mean images are most "
        "alike (nearest), those of one number (order), or a map {dataset: {its name: name of the output}}. A "
        "submission without it means names; specs from before there was a choice mean order",
        json_schema_extra={"default": "names"},
    )
    size: Annotated[tuple[Side, Side], Field(strict=False)] | None = Field(
        None, description="[height, width] that all images get; null: they have one size already"
    )
    channels: Literal[1, 3] | None = Field(
        None,
        description="1: all become grey (ITU-R 601 luma), 3: in colour (grey repeated); null: as they are",
    )
    fit: Fit = Field(
        "squash",
        description="how an image gets another size: stretched (squash), scaled and its margins cut (crop), "
        "or scaled and black margins added (pad)",
    )

    @property
    def reads_images(self) -> bool:
        """True where what holds for a task, its outputs or its normalisation, follows from its images."""
        return self.classes == "nearest" or self.size is not None or self.channels is not None

    @field_validator("datasets")
    @classmethod
    def _require_distinct_datasets(cls, datasets: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(datasets)) < len(datasets):
            raise ValueError("datasets must differ: a matrix is read by them")
        return datasets

    @field_validator("classes")
    @classmethod
    def _require_known_datasets(cls, classes: Any, about: ValidationInfo) -> Any:
        if isinstance(classes, ClassNames) and (
            unknown := sorted(set(classes) - set(about.data.get("datasets", classes)))
        ):
            raise ValueError(f"names {', '.join(unknown)}, and suite.datasets does not")
        return classes

    @field_validator("fit")
    @classmethod
    def _require_size(cls, fit: str, about: ValidationInfo) -> str:
        if fit != "squash" and about.data.get("size") is None:
            raise ValueError("says how images get another size; write suite.size, [height, width], too")
        return fit


ClassName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=WITHOUT_NUL)]
ClassGroups = Annotated[
    tuple[
        Annotated[tuple[ClassName, ...], Field(strict=False, min_length=2, max_length=MAX_TASKS)],
        ...,
    ],
    Field(strict=False, min_length=1, max_length=MAX_TASKS),
]


def _validate_order(value: Any, _otherwise: ValidatorFunctionWrapHandler) -> Any:
    """Validate an order. Errors name places as the request does, without a member of a union."""
    if isinstance(value, str) and value not in ("label", "random"):
        raise must_be("""'label', 'random', or classes by task such as [["0", "1"], ["2", "3"]]""")
    return value if isinstance(value, str) else _CLASS_GROUPS.validate_python(value)


class SplitSuite(Frozen):
    """Each task has some of the classes of one dataset, as in Split-MNIST; images are as they are."""

    kind: Annotated[Literal["split"], KIND] = "split"
    classes_per_task: int = Field(
        2, ge=2, le=10_000, description="classes of a task; the last one has what is left, two at least"
    )
    order: Annotated[Literal["label", "random"] | ClassGroups, WrapValidator(_validate_order)] = Field(
        "label",
        description="how classes are dealt out: by their numbers (label), permuted by order_seed (random), "
        'or the classes of every task by name, [["0", "1"], ["2", "3"]]',
    )
    order_seed: Seed = Field(
        0, description="decides a random order: the one that Avalanche's SplitMNIST has for this seed"
    )
    outputs: Literal["shared", "own"] = Field(
        "shared",
        description="shared: a task's first class is learned by output 0, its second by output 1, in all "
        "tasks; own: each class of the dataset has an output of its own",
    )

    @field_validator("order")
    @classmethod
    def _require_distinct_groups(cls, order: Any) -> Any:
        if isinstance(order, tuple):
            if any(len(set(group)) < len(group) for group in order):
                raise ValueError("a task has each of its classes once")
            if len({frozenset(group) for group in order}) < len(order):
                raise ValueError("two tasks have the same classes")
        return order


class DomainsSuite(Frozen):
    """Each domain of one dataset is a task, its images as they are: photos and sketches of the same classes.

    The dataset is an upload with domains (folders domain/class), or a named one: pacs, or omniglot, whose
    alphabets have classes of their own, learned by the first outputs.
    """

    kind: Annotated[Literal["domains"], KIND] = "domains"


CorruptionName = Literal[
    "gaussian-noise", "shot-noise", "impulse-noise", "speckle-noise",
    "gaussian-blur", "defocus-blur", "glass-blur", "motion-blur", "zoom-blur",
    "snow", "fog", "spatter", "brightness", "contrast", "saturate",
    "elastic", "pixelate", "jpeg",
    "shear", "scale", "rotate", "translate", "stripe", "dotted-line", "zigzag", "canny-edges",
]  # fmt: skip
"""Corruptions of CIFAR-10-C (Hendrycks & Dietterich 2019), and those of MNIST-C (Mu & Gilmer 2019)."""

WITHOUT_SEVERITY: frozenset[CorruptionName] = frozenset({"stripe", "dotted-line", "zigzag", "canny-edges"})
"""Corruptions of one strength."""

COLOUR_ALONE: frozenset[CorruptionName] = frozenset({"saturate"})
"""Corruptions that grey images do not have."""

Severity = Annotated[int, Field(ge=1, le=5)]


class CorruptionSuite(Frozen):
    """Task 0 has the clean images; each further task has all of them under one corruption of one severity.

    The corruptions of MNIST-C and of CIFAR-10-C, for training and test images alike: of each the five
    severities that MNIST-C's authors give for grey images, CIFAR-10-C's for coloured ones.
    """

    kind: Annotated[Literal["corruption"], KIND] = "corruption"
    names: Annotated[tuple[CorruptionName, ...], Field(strict=False)] = Field(
        ("gaussian-noise", "glass-blur", "fog", "contrast"),
        min_length=1,
        max_length=32,
        description="corruptions; each is a task of its own in each of the severities",
    )
    severities: Annotated[tuple[Severity, ...], Field(strict=False)] = Field(
        (1, 3, 5), min_length=1, max_length=5, description="from 1, which is mild, to 5"
    )
    corruption_seed: Seed = Field(0, description="decides what is random in corruptions, and nothing else")

    @field_validator("names", "severities")
    @classmethod
    def _require_distinct(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError("values must differ: a matrix is read by them")
        return values


_CLASS_GROUPS: TypeAdapter[tuple[tuple[str, ...], ...]] = TypeAdapter(ClassGroups)

_Suites = (
    RotationSuite
    | ShiftSuite
    | PermutationSuite
    | AugmentSuite
    | SplitSuite
    | DomainsSuite
    | CorruptionSuite
    | CustomSuite
    | ManifoldSuite
    | DatasetsSuite
)
SuiteSpec = Annotated[_Suites, Field(discriminator="kind"), tagged(_Suites, default="rotation")]


def follows_images(suite: SuiteSpec) -> bool:
    """Tell whether what holds for a task, its outputs or its classes, follows from images.

    Parameters
    ----------
    suite : SuiteSpec
        Suite of an experiment.

    Returns
    -------
    bool
        True for datasets that are matched or converted, and for domains, which may lack classes.
    """
    return isinstance(suite, DomainsSuite) or (isinstance(suite, DatasetsSuite) and suite.reads_images)


def shares_images(suite: SuiteSpec) -> bool:
    """Tell whether all tasks are made of the same images.

    Parameters
    ----------
    suite : SuiteSpec
        Suite of an experiment.

    Returns
    -------
    bool
        False where each task is a dataset or a part of one: image i of a task is then not image i of another.
    """
    return not isinstance(suite, DatasetsSuite | SplitSuite | DomainsSuite)
