"""The states of a span, and the audit log as a file."""

import csv
import io

import pytest

from dashboard_app.backend.api import audit_csv
from dashboard_app.model.errors import DatabaseUnavailable
from tests.backend.api.fakes import ADMIN, AT, VIEWER, AuditRow

TIMELINE = "/scan/data-sources/1/timeline"
CSV = "/api/v1/audit.csv"


def _rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode())))


def _row(number: int, **over: object) -> AuditRow:
    return AuditRow(**{
        "id": number, "at": AT, "actor": "ada", "actor_kind": "user", "action": "sources.write", "target": "one", "result": "ok",
        "request_id": "r", "details": {"after": {"port": 1}},
    } | over)  # fmt: skip


async def test_the_timeline_is_a_letter_for_each_part_of_the_span(world):
    world.sources.add("one")
    async with world.client(VIEWER) as client:
        answer = (await client.get(TIMELINE, params={"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "buckets": 4})).json()
    assert answer == {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "letters": "oo-b"}
    assert world.history.asked[-1][-1] == 4


async def test_a_timeline_ends_now_and_begins_a_day_before_unless_said(world, client):
    world.sources.add("one")
    await client.get(TIMELINE)
    number, since, until, buckets = world.history.asked[-1]
    assert (number, (until - since).total_seconds(), until, buckets) == (1, 86_400, world.clock.now(), 288)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"buckets": "0"}, 422),
        ({"buckets": "1001"}, 422),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, 422),
        ({"span": "1"}, 422),
    ],
)
async def test_a_timeline_of_nonsense_is_refused(world, client, params, status):
    world.sources.add("one")
    assert (await client.get(TIMELINE, params=params)).status_code == status


async def test_a_timeline_of_an_unknown_source_is_not_found(client):
    assert (await client.get("/scan/data-sources/9/timeline")).status_code == 404


async def test_the_export_has_a_head_and_every_row_and_leaves_a_row_itself(world, client):
    world.audit.rows = [_row(1), _row(2, target="=1+1", details={})]
    answer = await client.get(CSV, params={"actor": "ada"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="audit-')
    head, second, first = _rows(answer.content)
    assert tuple(head) == audit_csv.COLUMNS
    assert (second[4], second[7], second[8]) == ("'=1+1", "", "2")
    assert (first[0], first[7]) == ("2026-01-01T00:00:00Z", '{"after":{"port":1}}')
    own = world.audit.rows[-1]
    assert (own.action, own.target, own.details, own.actor) == ("audit.export", "audit.csv", {"actor": "ada"}, ADMIN.name)


@pytest.mark.parametrize(("stored", "sent"), [(1200, 1200), (500, 500), (0, 0)])
async def test_an_export_longer_than_a_page_is_whole(world, client, stored, sent):
    world.audit.rows = [_row(number) for number in range(1, stored + 1)]
    numbers = [int(row[-1]) for row in _rows((await client.get(CSV)).content)[1:]]
    assert numbers == list(range(sent, 0, -1))


async def test_an_export_ends_at_its_bound(world, client, monkeypatch):
    monkeypatch.setattr(audit_csv, "MOST_ROWS", 700)
    world.audit.rows = [_row(number) for number in range(1, 1501)]
    assert len(_rows((await client.get(CSV)).content)) == 701


async def test_rows_that_are_only_in_the_journal_are_exported_and_end_it(world, client):
    world.audit.rows = [_row(1, id=None)]
    assert _rows((await client.get(CSV)).content)[1][-1] == ""


async def test_only_an_admin_may_export_and_a_refusal_leaves_no_file(world):
    async with world.client(VIEWER) as client:
        assert (await client.get(CSV)).status_code == 403
    async with world.client(None) as client:
        assert (await client.get(CSV)).status_code == 401
    assert world.audit.rows == []


async def test_a_log_that_cannot_be_read_is_a_problem_and_no_file(world, client, monkeypatch):
    async def page(**_: object) -> list[AuditRow]:
        raise DatabaseUnavailable("The database does not answer.", 1)

    monkeypatch.setattr(world.audit, "page", page)
    answer = await client.get(CSV)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
