"""The registry of results: names, formats and figures are those declared; parameters are the cache key."""

from __future__ import annotations

import re
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from pydantic import Field, ValidationError

from service.dashboard.experiment import LOSSES
from service.dashboard.plots import PLOT
from service.results import FIGURES, RESULTS
from service.results.base import NoParams, Params, Result, Source, source_itself
from service.results.comparison import COMPARISON
from service.results.confusion import CONFUSION
from service.results.figures import BEFORE_AFTER
from service.results.images import DATASET_SAMPLES, PREVIEW
from service.subprocesses import FIGURE_FORMATS
from tests.support.compose import ROOT
from tgsh.specs import results as declared
from tgsh.specs.figure_options import FigureOptions
from tgsh.specs.results import PICTURES, RESULT_SPECS, ResultSpec

OTHERS: tuple[Result[Any, Any, Any, Any], ...] = (
    BEFORE_AFTER,
    COMPARISON,
    CONFUSION,
    DATASET_SAMPLES,
    PREVIEW,
    PLOT,
    LOSSES,
)
"""Not of one experiment, or of no endpoint of the API's pages."""

EVERY = (*RESULTS, *OTHERS)


def by_name(result: Result[Any, Any, Any, Any]) -> str:
    return result.name


def made_formats(result: Result[Any, Any, Any, Any]) -> set[str]:
    """Formats that a result has the means to make."""
    return {*result.encoders, *result.streams, *(FIGURE_FORMATS if result.figure is not None else ())}


def test_the_registry_has_what_is_declared() -> None:
    of_experiments = [name for name, spec in RESULT_SPECS.items() if not spec.of_task]
    assert {result.name for result in RESULTS} == {*of_experiments, declared.BUNDLE.name}
    assert len({result.name for result in EVERY}) == len(EVERY), "names are in cache keys"
    assert tuple(FIGURES) == declared.FIGURES
    assert tuple(FIGURE_FORMATS) == PICTURES


@pytest.mark.parametrize("result", EVERY, ids=by_name)
def test_every_declared_format_can_be_made_and_no_other(result: Result[Any, Any, Any, Any]) -> None:
    assert made_formats(result) == set(result.formats)
    assert len(set(result.formats)) == len(result.formats)


@pytest.mark.parametrize("result", EVERY, ids=by_name)
def test_file_names_tell_parameters_that_are_there(result: Result[Any, Any, Any, Any]) -> None:
    assert set(result.file_params) <= set(result.params.model_fields)


def test_the_bundle_holds_formats_that_there_are() -> None:
    bundled = [(result, *how) for result in RESULTS for how in result.bundled.values()]
    assert bundled
    for result, params, format in bundled:
        assert type(params) is result.params
        assert format in result.formats


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """NaN and infinity are no parameters."""
    finite = st.floats(allow_nan=False, allow_infinity=False)
    if annotation is FigureOptions:
        size = st.none() | finite
        ends = st.sampled_from([None, "auto"]) | st.tuples(finite, finite)
        return st.builds(FigureOptions, width=size, height=size, font=size, range=ends)
    return finite if annotation is float else st.from_type(annotation)


def distinct_params(result: Result[Any, Any, Any, Any], name: str) -> st.SearchStrategy[list[Params]]:
    """Two that differ in the field of this name."""
    fields = result.params.model_fields
    values = {field: values_of(declared.annotation) for field, declared in fields.items()}
    pairs = st.tuples(values[name], values[name]).filter(lambda pair: pair[0] != pair[1])
    return st.builds(
        lambda others, pair: [result.params(**{**others, name: value}) for value in pair],
        st.fixed_dictionaries(values),
        pairs,
    )


def keys(result: Result[Any, Any, Any, Any], params: Params) -> set[str]:
    """The entity tags of one source in every format, which are the keys of the cache, too."""
    source = Source(None, "digest", "subject")
    return {result.etag(source, params, format) for format in result.formats}


def check_keys(result: Result[Any, Any, Any, Any]) -> None:
    """No two values of a parameter share a key. Raises AssertionError where some do."""
    for name in result.params.model_fields:

        @settings(max_examples=10, deadline=None, database=None)
        @given(distinct_params(result, name))
        def check(pair: list[Params]) -> None:
            one, other = (keys(result, params) for params in pair)
            assert len(one) == len(other) == len(result.formats)
            assert not one & other

        check()


@pytest.mark.parametrize("result", [each for each in EVERY if each.params is not NoParams], ids=by_name)
def test_no_two_parameters_share_a_key(result: Result[Any, Any, Any, Any]) -> None:
    check_keys(result)


class Forgetful(Params):
    """One parameter of two is not in the key."""

    stage: str = "after"
    count: int = Field(20, exclude=True)


class Coarse(Params):
    """Many values of a parameter are one in the key."""

    ridge: float = 1.0

    def model_dump_json(self, **options: Any) -> str:
        return str(self.ridge > 1)


@pytest.mark.parametrize("params", [Forgetful, Coarse])
def test_a_forgotten_parameter_is_found(params: type[Params]) -> None:
    result: Result[str, Any, Any, Any] = Result(
        spec=ResultSpec("mutant", ("json",)),
        params=params,
        find=lambda _services, _subject, _params: Source(None, "", ""),
        compute=source_itself,
    )
    with pytest.raises((AssertionError, ExceptionGroup)):
        check_keys(result)


def test_a_key_tells_results_and_sources_apart() -> None:
    params = NoParams()
    tags = {
        result.etag(Source(None, digest, ""), params, "json") for result in EVERY for digest in ("a", "b")
    }
    assert len(tags) == 2 * len(EVERY)


def test_parameters_cannot_change_and_no_unknown_ones_are_taken() -> None:
    for result in EVERY:
        with pytest.raises(ValidationError):
            result.params(nonsense=1)
        assert result.params.model_config["frozen"]
        assert not [name for name, field in result.params.model_fields.items() if field.exclude], result.name


def test_nothing_but_a_result_makes_a_key() -> None:
    using = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "service").rglob("*.py")
        if re.search(r"services\.cache\.get\(|entity_tag\(", path.read_text("utf-8"))
    }
    assert using == {"service/results/base.py", "service/responses.py"}
