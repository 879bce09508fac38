"""What may be posted as events, judged before anything is published."""

import json

import pytest

from dashboard_app.backend.api.event_schemas import events_of
from dashboard_app.model.errors import InvalidInput


def test_one_event_or_a_list_of_them():
    assert [(event.type, event.payload) for event in events_of(b'{"type":"A"}')] == [("A", b"{}")]
    assert [event.type for event in events_of(b'[{"type":"A"},{"type":"B","data":{"x":1}}]')] == ["A", "B"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"data": {}}, "type"),
        ({"type": "A B"}, "type"),
        ({"type": ["A"]}, "type"),
        ({"type": "RESET"}, "type"),
        ({"type": "A", "data": []}, "data"),
        ({"type": "A", "data": None}, "data"),
        ({"type": "A", "more": 1}, "more"),
        ([], "body"),
        ("A", "body"),
        ([{"type": "A"}, {"type": ""}], "1.type"),
        ([{"type": "A"}, 5], "1"),
        ([{"type": "A"}] * 10_001, "body"),
    ],
)
def test_a_bad_event_is_named_and_none_of_its_list_is_taken(body, field):
    with pytest.raises(InvalidInput) as refused:
        events_of(json.dumps(body).encode())
    assert field in {error["field"] for error in refused.value.errors}


def test_what_is_no_json_is_told_so():
    with pytest.raises(InvalidInput) as refused:
        events_of(b"{")
    assert refused.value.errors == ({"field": "body", "message": "is not JSON"},)
