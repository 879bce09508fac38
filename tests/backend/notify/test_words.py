from dataclasses import replace

import pytest

from dashboard_app.backend.notify.words import letter_of, listed, trial_letter
from dashboard_app.model.alert import Severity
from tests.backend.notify.parts import alert, breaker, source


def told(*notices, **more):
    return letter_of(notices, place="Spillway prod", **more)


@pytest.mark.parametrize(
    ("notices", "headline"),
    [
        ([alert(7)], "Critical: Pool usage 93 %"),
        ([alert(7, "resolved")], "Over: Critical: Pool usage 93 %"),
        ([alert(7), alert(7, "resolved")], "Over again: Critical: Pool usage 93 %"),
        ([source(1)], "db-1 is unhealthy"),
        ([source(1, "healthy", "unhealthy")], "db-1 is healthy again"),
        ([source(1, "unknown")], "db-1 is unknown"),
        ([source(1), source(1, "healthy", "unhealthy")], "db-1 changed and is healthy again"),
        ([source(1), source(2), source(3)], "3 sources are unhealthy: db-1, db-2 and db-3"),
        ([source(1, "healthy", "unhealthy"), source(2, "healthy", "unhealthy")], "2 sources are healthy again: db-1 and db-2"),
        ([breaker()], "Breaker api opened: failures in a row"),
        ([breaker("closed", "half_open", "recovered")], "Breaker api is closed again: its trials succeeded"),
        ([breaker("forced_open", "closed", "person")], "Breaker api is held open: by a person"),
        ([breaker("metrics_only", "closed", "")], "Breaker api only watches"),
        ([breaker("disabled", "closed", "unheard of")], "Breaker api is off and never opens"),
    ],
)
def test_one_kind_of_thing_is_one_line(notices, headline):
    letter = told(*notices)
    assert (letter.title, letter.body) == (f"[Spillway prod] {headline}", headline)


def test_the_worst_comes_first_and_the_title_counts_the_rest():
    letter = told(source(1), breaker(), alert(8, severity=Severity.WARNING, says="Replication lag 40 s"), alert(7), link="https://x/alerts")
    assert letter.title == "[Spillway prod] 2 alerts, and 2 more"
    assert letter.body.splitlines() == [
        "2 alerts",
        "- Critical: Pool usage 93 %",
        "- Warning: Replication lag 40 s",
        "db-1 is unhealthy",
        "Breaker api opened: failures in a row",
        "https://x/alerts",
    ]
    assert letter.severity is Severity.CRITICAL


def test_a_source_that_an_alert_speaks_for_is_not_told_twice():
    down = replace(alert(9, says="db-1 is unhealthy: refused", severity=Severity.WARNING), subject="db-1")
    assert told(source(1), source(2), down).body.splitlines() == ["Warning: db-1 is unhealthy: refused", "db-2 is unhealthy"]


def test_a_flood_names_twenty_and_counts_the_rest():
    assert listed([str(number) for number in range(25)]).endswith("18, 19 and 5 more")
    body = told(*(alert(number, "resolved") for number in range(25)), dropped=1).body.splitlines()
    assert (len(body), body[0], body[-2]) == (23, "25 alerts are over", "- and 5 more")
    assert body[-1] == "1 older notice did not fit and is left out."


def test_a_text_from_outside_stays_one_short_line():
    letter = told(alert(7, says="down\r\nBcc: everyone@example.org\x1b[2J" + "x" * 900))
    assert "\n" not in letter.title
    assert letter.body.count("\n") == 0
    assert len(letter.body) < 400
    assert told(replace(source(1), subject="a\nb")).body == "a b is unhealthy"


def test_a_test_says_what_it_is_and_who_asked():
    letter = trial_letter("Spillway prod", "Ana", "https://x/alerts")
    assert letter.title == "[Spillway prod] This is a test"
    assert letter.body == "Ana asked for it. Notifications of this channel arrive here.\nhttps://x/alerts"
