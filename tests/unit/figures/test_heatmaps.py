"""The figures: right for any number of tasks and any label, and the same bytes every time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from tgsh.analysis.clustering import dendrogram
from tgsh.analysis.similarity import SimilarityMatrix, similarity
from tgsh.figures import (
    FigureFormat,
    accuracy_matrix_figure,
    before_after_figure,
    render,
    similarity_figure,
    tree_figure,
    vectors_figure,
)
from tgsh.figures.style import DISPLAY_PPI, NotebookFigure, rotate_crowded_labels
from tgsh.rng import rng_for

MAGIC: dict[FigureFormat, bytes] = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
FORMATS = list(MAGIC)


def sizes(*tasks: int) -> pytest.MarkDecorator:
    """36 tasks in every format, other numbers in one each: a format knows no number of tasks."""
    one_each = [(number, FORMATS[place % 3]) for place, number in enumerate(tasks)]
    return pytest.mark.parametrize(("tasks", "format"), [*((36, each) for each in FORMATS), *one_each])


HASHES = """
import hashlib, sys
import numpy as np
from tgsh.figures import render, similarity_figure
values = np.cos(np.subtract.outer(np.arange(12), np.arange(12)))
figure = similarity_figure(values, [f"{30 * k}°" for k in range(12)], title="rotation", measure="cosine")
for format in ("png", "svg", "pdf"):
    print(hashlib.sha256(render(figure, format)).hexdigest())
print("matplotlib.pyplot" in sys.modules)
"""


def draw(tasks: int, label: str = "{}°", title: str = "a title") -> Figure:
    values = np.cos(np.subtract.outer(np.arange(tasks), np.arange(tasks)) / 3)
    labels = [label.format(10 * k) for k in range(tasks)]
    return similarity_figure(values, labels, title=title, measure="cosine")


def image(figure: Figure) -> AxesImage:
    return figure.axes[0].images[0]


@pytest.mark.slow
@sizes(1, 2, 200)
def test_any_number_of_tasks_in_any_format(tasks: int, format: FigureFormat) -> None:
    body = render(draw(tasks), format)
    assert body.startswith(MAGIC[format])
    assert len(body) > 5_000


@pytest.mark.slow
def test_two_processes_make_the_same_bytes() -> None:
    def hashes(seed: str) -> list[str]:
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}"}
        command = [sys.executable, "-W", "error", "-c", HASHES]
        return subprocess.check_output(command, env=environment, text=True, timeout=120).split()

    first, second = hashes("1"), hashes("2")
    assert first == second
    assert len(set(first)) == 4
    assert first[-1] == "False", "pyplot was imported: it keeps figures alive and is not for threads"


def test_other_values_make_other_bytes() -> None:
    labels = ["a", "b"]
    bodies = {
        render(similarity_figure([[1, v], [v, 1]], labels, title="t", measure="cosine"), "png")
        for v in (0.1, 0.9)
    }
    assert len(bodies) == 2


@pytest.mark.slow
def test_threads_do_not_disturb_one_another() -> None:
    def work(job: tuple[int, FigureFormat]) -> str:
        return hashlib.sha256(render(draw(job[0]), job[1])).hexdigest()

    jobs = [(tasks, format) for tasks in (2, 12) for format in FORMATS]
    alone = list(map(work, jobs))
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(work, jobs * 2))
    assert together == alone * 2


def test_global_options_are_left_as_they_were() -> None:
    before = dict(matplotlib.rcParams)
    for format in FORMATS:
        render(draw(2), format)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    "label", ["$x_{}$", "$", r"\frac{{{}}}$$", "日本{}", "🙂", "a\nb\t{}", "", "W" * 500]
)
def test_labels_and_titles_are_taken_literally(label: str) -> None:
    # mathtext would raise on a lone $ and glyph or layout warnings are errors here
    for tasks in (1, 36):
        assert render(draw(tasks, label, title=label), "png").startswith(MAGIC["png"])


def test_a_dollar_is_drawn_as_a_dollar() -> None:
    text = [tick.get_text() for tick in draw(2, "$x_{}$").axes[0].get_xticklabels()]
    assert text == ["$x_0$", "$x_10$"]
    assert render(draw(2, "$x$"), "png") != render(draw(2, "x"), "png")


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [1, 36, 40, 41, 200, 9_999])
def test_labels_name_their_own_row_and_are_thinned(tasks: int) -> None:
    axes = similarity_figure(np.eye(tasks), [str(k) for k in range(tasks)], title="", measure="cosine").axes[
        0
    ]
    for positions, ticks in (
        (axes.get_xticks(), axes.get_xticklabels()),
        (axes.get_yticks(), axes.get_yticklabels()),
    ):
        assert [tick.get_text() for tick in ticks] == [str(int(k)) for k in positions]
        assert 1 <= len(ticks) <= 40
    assert len(axes.get_xticks()) == tasks or tasks > 40


def test_cells_are_square_and_the_first_task_is_at_the_top_left() -> None:
    figure = similarity_figure([[1, -1], [0, 1]], ["a", "b"], title="", measure="cosine")
    picture = image(figure)
    pixels = np.asarray(picture.get_array())
    half = len(pixels) // 2
    assert (pixels[0, 0] == pixels[-1, -1]).all()
    red, blue, middle = pixels[0, 0], pixels[0, half], pixels[half, 0]
    assert int(red[0]) > int(red[2])
    assert int(blue[2]) > int(blue[0])
    assert middle[:3].min() > 240, "zero is the light middle of the scale"
    assert tuple(picture.get_extent()) == (-0.5, 1.5, 1.5, -0.5)
    render(figure, "png")
    box = figure.axes[0].get_window_extent()
    assert box.width == pytest.approx(box.height, rel=1e-3)


def test_the_scale_is_always_minus_one_to_one_and_says_what_it_measures() -> None:
    bar = similarity_figure([[0.2]], ["a"], title="", measure="correlation").axes[1]
    assert bar.get_ylim() == (-1, 1)
    assert bar.get_ylabel() == "correlation"


def test_nothing_is_minus_zero() -> None:
    texts = (
        similarity_figure([[1, -0.001], [-0.001, 1]], ["a", "b"], title="", measure="cosine").axes[0].texts
    )
    assert [text.get_text() for text in texts] == ["1.00", "0.00", "0.00", "1.00"]


def test_a_missing_value_is_grey() -> None:
    pixels = np.asarray(image(similarity_figure([[np.nan]], ["a"], title="", measure="cosine")).get_array())
    assert pixels[0, 0].tolist() == [0xD9, 0xD9, 0xD9, 0xFF]


@pytest.mark.slow
def test_ten_thousand_tasks_are_averaged() -> None:
    tasks = 10_000
    values = np.zeros((tasks, tasks), dtype=np.float32)
    values[:, tasks // 2 :] = 1
    pixels = np.asarray(
        image(similarity_figure(values, ["x"] * tasks, title="", measure="cosine")).get_array()
    )
    assert pixels.shape == (1024, 1024, 4)
    assert np.unique(pixels[:, :511].reshape(-1, 4), axis=0).shape == (1, 4)
    assert (pixels[0, 0] != pixels[0, -1]).any()


@pytest.mark.parametrize(("values", "labels"), [(np.eye(2), ["a"]), (np.ones((2, 3)), ["a", "b"]), ([], [])])
def test_values_that_do_not_fit_the_labels_are_refused(values: object, labels: list[str]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        similarity_figure(np.asarray(values), labels, title="", measure="cosine")


@pytest.mark.slow
@sizes(1, 2, 8)
def test_before_beside_after(tasks: int, format: FigureFormat) -> None:
    labels, indices = tuple(f"{10 * k}°" for k in range(tasks)), tuple(range(tasks))
    before = SimilarityMatrix(np.eye(tasks), labels, indices, "cosine")
    after = SimilarityMatrix(np.ones((tasks, tasks)), labels, indices, "cosine")
    figure = before_after_figure(before, after, title="a title")
    assert render(figure, format).startswith(MAGIC[format])
    left, right, _ = figure.axes
    assert (left.get_title("left"), right.get_title("left")) == ("before training", "after training")
    boxes = left.get_window_extent(), right.get_window_extent()
    assert boxes[0].width == pytest.approx(boxes[1].width, rel=1e-3)
    assert boxes[0].y0 == pytest.approx(boxes[1].y0)


def test_long_names_fit_beneath_both() -> None:
    labels = tuple("a rather long name" for _ in range(8))
    one = SimilarityMatrix(np.eye(8), labels, tuple(range(8)), "cosine")
    figure = before_after_figure(one, one, title="a title")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.get_tightbbox(canvas.get_renderer())
    assert 0 <= box.x0 < box.x1 <= figure.get_figwidth()
    assert 0 <= box.y0 < box.y1 <= figure.get_figheight()


def test_before_and_after_are_of_the_same_tasks() -> None:
    one, other = (SimilarityMatrix(np.eye(1), ("a",), (index,), "cosine") for index in (0, 1))
    with pytest.raises(ValueError, match="same tasks"):
        before_after_figure(one, other, title="")


@pytest.mark.slow
@sizes(1, 3)
def test_an_accuracy_matrix_of_any_number_of_tasks_in_any_format(tasks: int, format: FigureFormat) -> None:
    labels = [f"${k}°" for k in range(tasks)]
    values = np.random.default_rng(0).random((tasks, tasks))
    bodies = {render(accuracy_matrix_figure(values, labels, title="$t"), format) for _ in range(2)}
    assert len(bodies) == 1
    assert bodies.pop().startswith(MAGIC[format])


def test_rows_are_contexts_and_columns_data() -> None:
    figure = accuracy_matrix_figure([[1.0, 0.5], [0.0, 0.25]], ["a", "b"], title="t")
    axes, bar = figure.axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("context of", "data of")
    assert bar.get_ylabel() == "test accuracy (%)"
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "100", (1, 0): "50", (0, 1): "0", (1, 1): "25"}
    [picture] = axes.get_images()
    pixels = np.asarray(picture.get_array())
    half = len(pixels) // 2
    luma = pixels[..., :3] @ [0.299, 0.587, 0.114]
    corners = luma[0, 0], luma[0, half], luma[half, half], luma[half, 0]
    assert list(corners) == sorted(corners, reverse=True)  # the better, the brighter


def test_numbers_can_be_read_on_their_cells() -> None:
    figure = accuracy_matrix_figure([[1.0, 0.0], [0.1, 0.9]], ["a", "b"], title="t")
    for text in figure.axes[0].texts:
        on_bright = int(text.get_text()) > 50
        assert (sum(to_rgb(text.get_color())) < 1.5) == on_bright, text.get_text()


def test_accuracies_that_do_not_fit_the_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        accuracy_matrix_figure([[0.5]], ["a", "b"], title="t")


def vectors(tasks: int) -> np.ndarray:
    return rng_for(0, "vectors").standard_normal((tasks, 300))


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tasks", [1, 100])
def test_equal_vectors_give_equal_bytes(tasks: int, format: FigureFormat) -> None:
    labels = [f"${k}$" for k in range(tasks)]
    first, second = (render(vectors_figure(vectors(tasks), labels, title="t"), format) for _ in range(2))
    assert first == second
    assert first.startswith(MAGIC[format])


def test_colours_are_centred_and_no_outlier_hides_the_rest() -> None:
    values = vectors(3)
    values[0, 0] = 1e6
    (image,) = vectors_figure(values, ["a", "b", "c"], title="t").axes[0].images
    low, high = image.get_clim()
    assert low == -high
    assert 1 < high < 10


def test_vectors_that_do_not_fit_are_refused() -> None:
    for labels in ([], ["a"], ["a"] * 4):
        with pytest.raises(ValueError, match="do not fit"):
            vectors_figure(vectors(3), labels, title="t")


@pytest.mark.parametrize("tasks", [1, 2, 30])
def test_the_tree_alone_names_its_leaves_in_order(tasks: int) -> None:
    tree = dendrogram(similarity(vectors(tasks), [f"task {k}" for k in range(tasks)], range(tasks)))
    (axes,) = tree_figure(tree, title="t").axes
    named = [tick.get_text() for tick in axes.get_yticklabels()]
    assert named == [tree.labels[leaf] for leaf in tree.leaves]
    assert axes.yaxis_inverted()


def test_a_picture_shows_itself_at_its_size() -> None:
    picture = vectors_figure(vectors(3), ["a", "b", "c"], title="t")
    assert isinstance(picture, NotebookFigure)
    content, size = picture._repr_png_()
    assert content == render(picture, "png")
    assert size["width"] == round(DISPLAY_PPI * picture.get_size_inches()[0])


@pytest.mark.parametrize(("width", "rotation"), [(8, 0), (2, 90)])
def test_names_are_turned_where_they_would_touch(width: float, rotation: float) -> None:
    axes = Figure(figsize=(width, 2)).subplots()
    axes.set_xticks(range(12), [f"{30 * k}°" for k in range(12)])
    rotate_crowded_labels(axes)
    assert {tick.get_rotation() for tick in axes.get_xticklabels()} == {rotation}
