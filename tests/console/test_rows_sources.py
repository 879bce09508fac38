"""A source as a row of the list, the order of the list, and the verdict over it."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from dashboard_app.console import words
from dashboard_app.console.rows import listing
from dashboard_app.console.rows.listing import Query
from dashboard_app.console.rows.sources import address, source_row, why
from dashboard_app.console.rows.verdict import lede, verdict
from dashboard_app.console.words import NB, THIN
from dashboard_app.model.health import Check, CheckStatus, Health, HealthStatus, Metrics
from dashboard_app.model.source import SourceKind
from tests.console.fake_console import source

SINCE = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)
LATER = datetime(2026, 11, 22, 14, 11, 36, tzinfo=UTC)
PG = SourceKind.POSTGRESQL
BY_LETTER = {"o": HealthStatus.HEALTHY, "w": HealthStatus.DEGRADED, "b": HealthStatus.UNHEALTHY, "u": HealthStatus.UNKNOWN}


def health(source_id, letter, *, message=None, checks=(), latency_ms=3.1):
    return Health(source_id, BY_LETTER[letter], SINCE, latency_ms, LATER, message, tuple(checks))


def fleet(letters, **more):
    sources = [source(number, f"db-{number:02d}", PG, "10.0.0.1", 5432, "app", **more) for number in range(1, len(letters) + 1)]
    return sources, {number: health(number, letter) for number, letter in enumerate(letters, start=1) if letter != "."}


def row(letter="o", *, metrics=None, recent="o" * 30, next_s=10.4, **more):
    one = source(7, "orders", PG, "10.0.0.1", 5432, "app", **more)
    found = None if letter == "." else health(7, letter)
    return source_row(one, found, None if found is None else 2.04, metrics, recent, next_s=next_s, late_s=120)


@pytest.mark.parametrize(
    ("letters", "title"),
    [
        ("", "No sources yet"),
        ("...", "Reading 3 sources…"),
        ("ooo", "All 3 sources are healthy"),
        ("o", "db-01 is healthy"),
        ("w", "db-01 is degraded"),
        ("u", "db-01 is unknown"),
        ("b", "db-01 is down"),
        ("bbo", "2 of 3 sources are down"),
        ("boo", "1 of 3 sources is down"),
        ("woo", "1 of 3 sources needs a look"),
        ("wuo", "2 of 3 sources need a look"),
        ("o.o", "1 of 3 sources needs a look"),
        ("bub", "No source answered in the last round"),
    ],
)
def test_the_title_is_the_verdict(letters, title):
    assert words.plain(verdict(*fleet(letters))) == title


@pytest.mark.parametrize(
    ("letters", "title"),
    [
        ("bbo", "2 of 3 sources were down at 14:11:36"),
        ("boo", "1 of 3 sources was down at 14:11:36"),
        ("wuo", "2 of 3 sources needed a look at 14:11:36"),
        ("ooo", "All 3 sources were healthy at 14:11:36"),
        ("o", "db-01 was healthy at 14:11:36"),
        ("bbb", "No source answered in the last round before 14:11:36"),
    ],
)
def test_old_data_is_spoken_of_in_the_past_tense(letters, title):
    assert words.plain(verdict(*fleet(letters), LATER)) == title


def test_paused_sources_are_neither_down_nor_healthy():
    sources, healths = fleet("bo")
    paused = [replace(sources[0], enabled=False), sources[1]]
    assert words.plain(verdict(paused, healths)) == "db-02 is healthy"
    assert words.plain(lede(paused, healths)) == "1 healthy, 1 paused."
    assert verdict([replace(each, enabled=False) for each in sources], healths) == "All 2 sources are paused"
    assert verdict([replace(sources[0], enabled=False)], healths) == "The only source is paused"


def test_the_line_under_the_title_names_the_worst_and_counts_the_rest():
    sources, healths = fleet("bbwuo")
    healths[1] = health(1, "b", checks=[Check("connect", CheckStatus.FAIL, message="Connection refused: nothing listens")])
    healths[2] = health(2, "b", message="No answer within 2 s at step TLS")
    assert words.plain(lede(sources, healths)) == (
        "db-01 refuses connections since 14:02:11; db-02 is silent since 14:02:11. 1 degraded, 1 unknown, 1 healthy."
    )
    assert words.plain(lede(sources, healths, is_fallback=True)).startswith("At that time: db-01 refuses")


def test_when_all_is_well_the_title_says_it_all():
    assert lede(*fleet("ooo")) == ""


def test_only_two_are_named_and_the_rest_counted():
    assert "2 more are down" in words.plain(lede(*fleet("bbbb")))
    assert "1 more is down" in words.plain(lede(*fleet("bbb")))


def test_a_source_that_is_down_says_why_how_often_and_since_when():
    found = health(7, "b", checks=[Check("connect", CheckStatus.FAIL, message="Connection refused")])
    one = source(7, "orders", PG, "10.0.0.1", 5432, "app")
    assert words.plain(why(one, found, None, "o" * 24 + "b" * 6)) == "Connection refused, 6 checks in a row, since 14:02:11"
    assert words.plain(why(one, found, None, "b" * 30)) == "Connection refused, 30 or more checks in a row, since 14:02:11"


def test_a_degraded_source_says_the_limit():
    check = Check("replication_lag", CheckStatus.WARN, 48.0, "s", "warns from 10 s", "Replay lag 48 s")
    one = source(7, "orders", PG, "10.0.0.1", 5432, "app")
    assert why(one, health(7, "w", checks=[check]), None, "w") == "Replay lag 48 s (warns from 10 s)"
    assert why(one, health(7, "w", checks=[replace(check, message="")]), None, "w") == f"replication lag 48{NB}s (warns from 10 s)"


def test_a_healthy_source_shows_up_to_three_key_figures():
    figures = {"transactions_per_s": 1204.0, "cache_hit_percent": 99.6, "longest_query_s": 0.8, "size_bytes": 4096.0}
    shown = row("o", metrics=Metrics(7, LATER, figures))
    assert shown.why.replace(NB, " ") == f"1{THIN}204 tx/s · cache hit 99.6 % · longest query 800 ms"
    assert shown.is_quiet


def test_a_service_shows_its_pool_and_its_level():
    figures = {"checked_out": 27.0, "capacity": 30.0, "level": 3.0, "usage_percent": 90.0}
    shown = row("o", metrics=Metrics(7, LATER, figures))
    assert shown.why.replace(NB, " ") == "27 of 30 in use, EMERGENCY"
    assert (shown.used, shown.limit, shown.fill) == ("27", "30", 90)
    failed = health(7, "b", checks=[Check("pool_usage", CheckStatus.FAIL, 90.0, "%", "", "27 of 30 in use, EMERGENCY")])
    one = source(7, "orders", SourceKind.SERVICE, "10.0.0.1", 443, "")
    assert words.plain(why(one, failed, None, "b")) == "27 of 30 in use, EMERGENCY, since 14:02:11"
    for strange in ({"level": 4.0}, {"level": -1.0}, {"capacity": 0.0}):
        assert row("o", metrics=Metrics(7, LATER, figures | strange)).why == ""


def test_never_checked_and_paused_are_told_apart():
    assert (row(".").word, row(".").why) == ("Unknown", "Not checked yet")
    assert (row("b", enabled=False).word, row("b", enabled=False).is_quiet) == ("Paused", True)


@pytest.mark.parametrize(
    ("letter", "used", "tone"), [("o", 95, "n"), ("w", 85, "warn"), ("w", 95, "warn"), ("b", 95, "bad"), ("b", 50, "n")]
)
def test_the_bar_never_outranks_the_state(letter, used, tone):
    metrics = Metrics(7, LATER, {"connections_used": used, "connections_max": 100})
    assert row(letter, metrics=metrics).fill_tone == tone


def test_unknown_values_are_a_dash_and_not_a_zero():
    nothing = row(".")
    assert (nothing.latency, nothing.unit, nothing.used, nothing.limit, nothing.age_s) == ("\u2013", "", "\u2013", "", None)


def test_growing_older_is_no_change_but_a_new_reading_is():
    one, known = source(7, "orders", PG, "10.0.0.1", 5432, "app"), health(7, "o")
    younger = source_row(one, known, 1.0, None, "o", next_s=9, late_s=120)
    older = source_row(one, known, 5.0, None, "o", next_s=5, late_s=120)
    again = source_row(one, replace(known, checked_at=SINCE), 1.0, None, "o", next_s=9, late_s=120)
    assert younger == older
    assert younger != again


def test_an_address_of_version_6_is_bracketed():
    assert address(source(1, "six", PG, "::1", 5432, "")) == "[::1]:5432"


def test_the_list_is_worst_first_then_by_name_and_paused_ones_come_last():
    sources, healths = fleet("owbub")
    sources[4] = replace(sources[4], enabled=False)
    statuses = {key: found.status for key, found in healths.items()}
    assert listing.ordered(sources, statuses, Query()) == [3, 2, 4, 1, 5]
    assert listing.ordered(sources, statuses, Query(sort="name")) == [1, 2, 3, 4, 5]


def test_order_is_kept_while_it_is_read():
    assert listing.kept_order([3, 1, 2], [1, 2, 4]) == (1, 2, 4)
    assert listing.kept_order([3, 1, 2], [1, 2, 3]) == (3, 1, 2)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (Query(search="DB-02"), [2]),
        (Query(search="shop"), [2, 1]),
        (Query(status="degraded"), [2]),
        (Query(kind="redis"), []),
        (Query(environment="prod"), [2, 1]),
        (Query(environment="test"), []),
        (Query(tag="shop"), [2, 1]),
        (Query(tag="other"), []),
    ],
)
def test_filters_narrow_the_list(query, ids):
    sources, healths = fleet("ow")
    assert listing.ordered(sources, {key: found.status for key, found in healths.items()}, query) == ids


def test_a_query_survives_the_way_through_the_address():
    query = Query(search="a b&c", status="unhealthy", kind="postgresql", environment="prod", tag="x", sort="name", page=3)
    address_bar = query.href(page=3)
    assert Query.parse(dict(parse_qsl(urlsplit(address_bar).query))) == query
    assert Query().href() == "/"
    assert query.href(status="").endswith("sort=name")


@pytest.mark.parametrize("page", ["0", "-1", "x", "", "99999999999", "\u0661"])
def test_nonsense_in_the_address_is_left_out(page):
    assert Query.parse({"page": page, "status": "broken", "kind": "oracle", "sort": "random"}) == Query()


def test_segments_count_what_the_other_filters_leave():
    sources, healths = fleet("owbub")
    statuses = {key: found.status for key, found in healths.items()}
    assert listing.segment_counts(sources, statuses, Query(status="degraded")) == ["5", "2", "1", "1", "1"]
    assert [choice.is_on for choice in listing.segments(Query(status="degraded"))] == [False, False, True, False, False]


def test_pickers_offer_what_is_there():
    sources, _ = fleet("oo")
    assert [choice.word for choice in listing.kinds(sources, Query())] == ["any", "postgresql"]
    assert [choice.word for choice in listing.environments(sources, Query(environment="prod")) if choice.is_on] == ["prod"]
    assert [choice.href for choice in listing.tags(sources, Query())] == ["/", "/?tag=shop"]


def test_an_empty_list_says_what_was_looked_for():
    assert listing.no_match(Query(search="bil", status="unhealthy")) == "No source matches 'bil' in Unhealthy."
    assert listing.no_match(Query(search="bil")) == "No source matches 'bil'."


def test_a_refused_connection_does_not_repeat_the_address_that_stands_beside_it():
    one = source(7, "orders", PG, "10.0.0.1", 5432, "app")
    found = health(7, "b", message="Connection refused: nothing listens at 10.0.0.1:5432")
    assert words.plain(why(one, found, None, "oobbb")) == "Connection refused, 3 checks in a row, since 14:02:11"
