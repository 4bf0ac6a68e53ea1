"""Classes of several datasets: shared outputs, what is told of them, and images of one size."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from PIL import Image

from tests.support.uploads import coloured
from tgsh.datasets.base import DATASETS, DatasetInfo, ImageDataset
from tgsh.datasets.class_names import outputs_by_name
from tgsh.datasets.classes import class_overlap, class_warnings, conversions, task_labels
from tgsh.datasets.conversion import converted_images, moments
from tgsh.datasets.descriptions import info_of, joint_info
from tgsh.datasets.several import members_from_text, members_to_text, nearest_outputs, several_datasets
from tgsh.errors import InvalidSpec, NotFound
from tgsh.specs import DatasetsSuite, ExperimentSpec

B = "b" * 16


def own(letter: str, *names: str, size: tuple[int, ...] = (5, 6)) -> DatasetInfo:
    height, width, channels = (*size, 1)[:3]
    return DatasetInfo(
        letter * 16, f"{letter}'s", height, width, len(names), 40, 10, channels=channels, class_names=names
    )


def experiment(*datasets: DatasetInfo, **suite: object) -> tuple[ExperimentSpec, DatasetInfo]:
    keys = tuple(each.name for each in datasets)
    spec = ExperimentSpec(dataset=None, suite=DatasetsSuite.model_validate({"datasets": keys, **suite}))
    known = {each.name: each for each in datasets}

    def uploads(dataset_id: str) -> DatasetInfo:
        if dataset_id not in known:
            raise NotFound(dataset_id)
        return known[dataset_id]

    return spec, info_of(spec, uploads)


def test_a_name_has_one_output_in_the_order_of_first_appearance() -> None:
    names, outputs = outputs_by_name([["b", "a"], ["c", "a"], ["b", "a"]])
    assert (names, outputs) == (("b", "a", "c"), ((0, 1), (2, 1), (0, 1)))
    composed, apart = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")
    assert outputs_by_name([[composed], [apart]]) == (("caf\u00e9",), ((0,), (0,)))
    assert outputs_by_name([["A"], ["a"]])[1] == ((0,), (1,))


def test_names_decide_and_a_digit_is_no_shirt() -> None:
    mnist, fashion, kana = (DATASETS[name] for name in ("mnist5k", "fashion-mnist", "kmnist"))
    spec, info = experiment(mnist, fashion, kana, DATASETS["mnist"], classes="names")
    assert (info.classes, info.common_outputs) == (30, ())
    assert info.class_names[9:12] == ("9", "T-shirt/top", "Trouser")
    assert info.members[0].outputs == info.members[3].outputs == tuple(range(10))
    overlap = class_overlap(spec, info)
    assert overlap is not None
    assert overlap.shared[0] == (10, 0, 0, 10)  # type: ignore[index]
    assert overlap.classes[1][8:12] == (None, None, "T-shirt/top", "Trouser")  # type: ignore[index]
    [warning] = class_warnings(spec, info)
    assert "shared of 30: mnist5k and fashion-mnist: 0" in warning
    # As they were: experiments of before know no names of these.
    assert fashion.class_labels == tuple(map(str, range(10)))
    ordered, as_before = experiment(mnist, fashion)
    assert as_before == joint_info([mnist, fashion])
    assert (
        "class 0 is '0' of mnist5k and 'T-shirt/top' of fashion-mnist"
        in class_warnings(ordered, as_before)[0]
    )


def test_nothing_is_told_where_classes_are_the_same() -> None:
    for rule in ("names", "order"):
        spec, info = experiment(own("a", "x", "y"), own("b", "x", "y"), classes=rule)
        assert (class_overlap(spec, info), class_warnings(spec, info)) == (None, [])
    spec, info = experiment(own("a", "x", "y"), classes="names")
    assert class_overlap(spec, info) is None


def test_a_map_renames_and_refuses_what_is_not_there() -> None:
    digits, words = own("a", "1", "2"), own("b", "one", "two", "three")
    spec, info = experiment(digits, words, classes={B: {"one": "1", "two": "2"}})
    assert (info.class_names, info.members[1].outputs) == (("1", "2", "three"), (0, 1, 2))
    assert task_labels(info, 0) == ("1", "2", "three")
    assert task_labels(info, 1) == ("one", "two", "three")
    assert class_overlap(spec, info).matching == "map"  # type: ignore[union-attr]
    for classes, field in (
        ({B: {"four": "1"}}, f"suite.classes.{B}.four"),
        ({B: {"one": "two"}}, f"suite.classes.{B}"),
    ):
        with pytest.raises(InvalidSpec) as refusal:
            experiment(digits, words, classes=classes)
        assert refusal.value.field == field


def test_images_of_several_sizes_are_refused_all_at_once_with_the_keys() -> None:
    sets = own("a", "x", "y"), own("b", "x", "y", size=(7, 6)), own("c", "x", "y", size=(5, 6, 3))
    with pytest.raises(InvalidSpec) as refusal:
        experiment(*sets)
    assert [field for field, _ in refusal.value.fields] == ["suite.datasets.1", "suite.datasets.2"]
    assert '"size": [5, 6]' in refusal.value.fields[0][1]
    assert '"channels": 1' in refusal.value.fields[1][1]
    _, info = experiment(*sets, size=[5, 6], channels=3)
    assert info.shape == (5, 6, 3)
    assert [each.source_shape for each in info.members] == [(5, 6), (7, 6), ()]
    assert conversions(info)[1] == "Images of b's are made 5 × 6 × 3 from 7 × 6"


def images_of(info: DatasetInfo, seed: int) -> ImageDataset:
    x, y = coloured(info.classes, 12, info.shape, seed)
    x = x.reshape(len(x), -1)
    return ImageDataset(info, x, y, x[::2], y[::2])


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize(("size", "shape"), [((4, 8, 3), (6, 6)), ((4, 8), (6, 6, 3)), ((9, 3), (4, 4))])
def test_conversion_is_pillows(fit: str, size: tuple[int, ...], shape: tuple[int, ...]) -> None:
    before, after = own("a", "x", "y", size=size), own("a", "x", "y", size=shape)
    data = images_of(before, 1)
    found = converted_images(data.train_images[:5], before, after, fit)  # type: ignore[arg-type]
    assert found.dtype == np.uint8
    height, width, across = *shape[:2], 3 if len(shape) == 3 else 1
    for image, result in zip(data.train_images[:5], found, strict=True):
        plain = Image.fromarray(image.reshape(before.shape)).convert("RGB" if across == 3 else "L")
        scale = (max if fit == "crop" else min)(height / plain.height, width / plain.width)
        got = result.reshape(height, width, across)
        if fit == "squash":
            wanted = np.asarray(plain.resize((width, height), Image.Resampling.BILINEAR))
            np.testing.assert_array_equal(got, wanted.reshape(height, width, across))
        elif fit == "pad":  # the margins are black, and only they
            margins = got.reshape(height, width, -1).sum(axis=2) == 0
            assert margins.sum() == height * width - round(plain.height * scale) * round(plain.width * scale)
        else:  # what is cut is the same on both sides
            cut = width / scale, height / scale
            left, top = (plain.width - cut[0]) / 2, (plain.height - cut[1]) / 2
            box = (left, top, left + cut[0], top + cut[1])
            wanted = np.asarray(plain.resize((width, height), Image.Resampling.BILINEAR, box=box))
            np.testing.assert_array_equal(got, wanted.reshape(height, width, across))
        if len(size) == 2 and across == 3:
            assert (got == got[..., :1]).all()  # grey is repeated


def test_moments_are_those_of_what_is_seen() -> None:
    sets = own("a", "x", "y"), own("b", "x", "y", size=(7, 6, 3))
    spec, info = experiment(*sets, size=[5, 6], channels=1, classes="names")
    datasets = [images_of(each, seed) for seed, each in enumerate(sets)]
    assert isinstance(spec.suite, DatasetsSuite)
    source = several_datasets(spec.suite, info, datasets)
    seen = source.of(1).train_images / 255
    assert source.of(1).train_images.shape == (24, 30)
    normalisation = source.info_of(1).normalisation
    assert (normalisation.mean, normalisation.deviation) == pytest.approx((seen.mean(), seen.std()))
    assert source.info_of(0).normalisation == sets[0].normalisation  # nothing was changed of it
    assert moments(source.of(1).train_images) == normalisation
    assert several_datasets(spec.suite, info, datasets).of(1).train_images is source.of(1).train_images
    assert members_from_text(info, members_to_text(source.info)) == source.info


def test_nearest_finds_shuffled_classes_and_keeps_the_others_apart() -> None:
    first = images_of(own("a", "p", "q", "r"), 5)
    x, _ = coloured(5, 12, (5, 6), 5)
    patterns = np.concatenate([first.train_images[first.train_labels == label] for label in (2, 0, 1)])
    labels = np.repeat(np.arange(5), 12)
    more = np.concatenate([patterns // 2, x[36:].reshape(24, -1)])
    other = ImageDataset(own("b", "one", "two", "three", "four", "five"), more, labels, more, labels)
    matched = nearest_outputs([first, other, other])
    assert matched[0] == (0, 1, 2)
    assert matched[1][:3] == (2, 0, 1)
    assert sorted(matched[1]) == [0, 1, 2, 3, 4]
    assert matched[2] == matched[1]  # what the first lacks is matched to the second's
    spec, info = experiment(first.info, other.info, classes="nearest")
    assert isinstance(spec.suite, DatasetsSuite)
    assert (info.classes, info.class_names) == (5, ("p", "q", "r", "3", "4"))
    assert "matched to those of a's" in class_warnings(spec, info)[0]
    source = several_datasets(spec.suite, info, [first, other])
    assert source.of(0).train_labels is first.train_labels
    np.testing.assert_array_equal(source.of(1).train_labels, np.array(matched[1])[labels])
    told = class_overlap(spec, source.info)
    assert told is not None
    assert told.classes[1][:3] == ("two", "three", "one")  # type: ignore[index]
    assert told.shared == ((3, 3), (3, 5))
