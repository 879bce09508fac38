import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.model.event import Shape
from dashboard_app.policy.coalesce import batch_type, combined, id_field, parted, same


@pytest.mark.parametrize(
    ("published", "batched", "field"),
    [
        ("JOB_STARTED", "JOBS_BATCH_STARTED", "job_id"),
        ("DATA_SOURCE_CHANGED", "DATA_SOURCES_BATCH_CHANGED", "data_source_id"),
        ("PING", "PING_BATCH", ""),
        ("_STARTED", "_STARTED_BATCH", ""),
        ("JOB_", "JOB__BATCH", ""),
    ],
)
def test_the_type_is_split_at_the_last_underscore(published, batched, field):
    assert batch_type(published) == batched
    assert id_field(published) == field


def test_three_of_a_type_become_one_with_their_ids_in_order():
    data = combined("JOB_STARTED", [{"job_id": 123}, {"job_id": 125}, {"job_id": 124}])
    assert data == {"job_ids": [123, 125, 124], "batch_count": 3}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        # what is equal in all stays, what differs travels in items
        (
            [{"job_id": 1, "worker": "a", "ms": 5}, {"job_id": 2, "worker": "a", "ms": 6}],
            {"job_ids": [1, 2], "batch_count": 2, "worker": "a", "items": [{"ms": 5}, {"ms": 6}]},
        ),
        # what one of them lacks differs
        ([{"job_id": 1, "worker": "a"}, {"job_id": 2}], {"job_ids": [1, 2], "batch_count": 2, "items": [{"worker": "a"}, {}]}),
        # 1, 1.0 and true are three values
        ([{"job_id": 1, "n": 1}, {"job_id": 2, "n": True}], {"job_ids": [1, 2], "batch_count": 2, "items": [{"n": 1}, {"n": True}]}),
        # a field that would hide one of ours stays in items
        (
            [{"job_id": 1, "batch_count": 9, "job_ids": 1, "items": 0}, {"job_id": 2, "batch_count": 9, "job_ids": 1, "items": 0}],
            {"job_ids": [1, 2], "batch_count": 2, "items": [{"batch_count": 9, "job_ids": 1, "items": 0}] * 2},
        ),
        # without an id in each, everything goes whole into items
        ([{"job_id": 1}, {"other": 2}], {"batch_count": 2, "items": [{"job_id": 1}, {"other": 2}]}),
        ([{}, {}], {"batch_count": 2, "items": [{}, {}]}),
    ],
)
def test_no_data_is_dropped(events, expected):
    assert combined("JOB_STARTED", events) == expected


def test_a_type_of_one_word_keeps_each_event_whole():
    assert combined("PING", [{"ping_id": 1}, {"ping_id": 2}]) == {"batch_count": 2, "items": [{"ping_id": 1}, {"ping_id": 2}]}


def test_a_type_may_be_counted_only_or_keep_its_latest():
    assert combined("HEART_BEAT", [{"heart_id": 1}] * 4, Shape.COUNT) == {"batch_count": 4}
    gauges = [{"gauge_id": 1, "v": 5}, {"gauge_id": 2, "v": 6}, {"gauge_id": 1, "v": 7}, {"gauge_id": [1], "v": 8}]
    assert combined("GAUGE_SET", gauges, Shape.LATEST) == {
        "gauge_ids": [1, 2, [1]],
        "batch_count": 4,
        "items": [{"v": 7}, {"v": 6}, {"v": 8}],
    }
    assert combined("GAUGE_SET", [{}, {"v": 1}], Shape.LATEST) == {"batch_count": 2, "items": [{}, {"v": 1}]}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 2.5]) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
events = st.dictionaries(st.sampled_from(["job_id", "job_ids", "items", "batch_count", "worker", "ms"]), values, max_size=4)


def taken_apart(message, count):
    """The events of a message, as a reader finds them again by the contract's words alone."""
    items = message.get("items", [{}] * count)
    if "job_ids" not in message:
        return items
    common = {name: value for name, value in message.items() if name not in {"job_ids", "batch_count", "items"}}
    return [{"job_id": number, **common, **item} for number, item in zip(message["job_ids"], items, strict=True)]


@given(st.lists(events, min_size=2, max_size=10))
def test_every_field_of_every_event_is_found_again_in_order(data):
    message = json.loads(json.dumps(combined("JOB_STARTED", data)))
    assert message["batch_count"] == len(data)
    found = taken_apart(message, len(data))
    assert [json.dumps(one, sort_keys=True) for one in found] == [json.dumps(one, sort_keys=True) for one in data]


@given(values, values)
def test_two_values_are_the_same_when_their_json_is(one, other):
    assert same(one, other) is (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["job_id", "worker", "ms", "job_ids", "batch_count"]), st.integers(0, 3), max_size=4), min_size=2
    )
)
def test_a_message_taken_apart_gives_the_events_it_was_made_of(events):
    assert parted("JOB_STARTED", combined("JOB_STARTED", events)) == events
    assert parted("PING", combined("PING", events)) == events


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"items": 5},
        {"job_ids": 5, "batch_count": 5},
        {"job_ids": [1, 2], "batch_count": 3},
    ],
)
def test_what_was_never_combined_gives_nothing(data):
    assert parted("JOB_STARTED", data) == []


def test_parts_that_are_no_objects_are_passed_over():
    assert parted("PING", {"items": [5, {"a": 1}]}) == [{"a": 1}]
    assert parted("JOB_STARTED", {"job_ids": [1, 2], "batch_count": 2, "items": [5, {"a": 1}]}) == [{"job_id": 1}, {"job_id": 2, "a": 1}]
    assert parted("JOB_STARTED", {"job_ids": [1, 2], "batch_count": 2, "items": [{}]}) == [{"job_id": 1}, {"job_id": 2}]
