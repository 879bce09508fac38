import pytest

from dashboard_app.model import errors


def _all(branch: type[errors.SpillwayError]) -> list[type[errors.SpillwayError]]:
    """Of the model itself: a module may have a narrower one of its own, which goes out under its parent's code."""
    children = [child for child in branch.__subclasses__() if child.__module__ == errors.__name__]
    return [branch, *(deep for child in children for deep in _all(child))]


def test_every_error_speaks_a_sentence_of_its_own_and_has_a_code():
    made = [error("told") if error is errors.ProviderRefused else error() for error in _all(errors.SpillwayError)]
    assert all(error.detail and error.code for error in made)
    assert len({error.code for error in made}) == len(made)


@pytest.mark.parametrize("error", _all(errors.TryLater))
def test_whoever_may_try_later_is_told_when(error):
    assert error("busy", retry_after_s=2.5).retry_after_s == 2.5
    assert str(error("busy")) == "busy"


def test_facts_travel_as_fields():
    assert errors.InvalidInput("no", ({"field": "name", "message": "too long"},)).errors[0]["field"] == "name"
    failed = errors.BackendFailed(cause="timeout", status=503, problem_code="database_unavailable", retry_after_s=2)
    assert (failed.cause, failed.status, failed.problem_code, failed.retry_after_s) == ("timeout", 503, "database_unavailable", 2)
