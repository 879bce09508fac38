from dashboard_app.model.event import Draft, message_of
from dashboard_app.model.feed import FeedState
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.pool import PoolCounts
from dashboard_app.model.pooler import PoolerAct
from dashboard_app.model.user import Role, is_email


def test_each_status_has_its_own_letter():
    assert [status.letter for status in HealthStatus] == ["o", "w", "b", "u"]


def test_usage_is_checked_out_over_size_plus_overflow():
    counts = PoolCounts(size=20, max_overflow=10, checked_out=13, idle=7, overflow=0)
    assert (counts.capacity, counts.usage_percent) == (30, 43.3)


def test_a_role_covers_itself_and_what_is_below():
    assert [[str(b) for b in Role if a.covers(b)] for a in Role] == [["viewer"], ["viewer", "operator"], ["viewer", "operator", "admin"]]


def test_a_message_is_made_once_as_a_frame_of_either_kind():
    message = message_of(7, 6, Draft("JOB_STATUS", "JOB_STATUS", b'{"n":1}'))
    assert message.sse == b'id: 7\nevent: JOB_STATUS\ndata: {"n":1}\n\n'
    assert message.text == '{"id":7,"event":"JOB_STATUS","data":{"n":1}}'
    assert message.size > len(message.sse)


def test_an_email_has_one_at_sign_no_blank_and_an_end():
    good = ["ana@example.org", "a@b", "x" * 243 + "@example.pl"]
    bad = ["", "ana", "@example.org", "ana@", "a b@example.org", "a@b@c", "ana@example.org\n", "x" * 244 + "@example.pl"]
    assert [is_email(one) for one in (*good, *bad)] == [True] * len(good) + [False] * len(bad)


def test_words_of_the_wire_are_those_of_the_contract():
    assert [*PoolerAct] == ["pause", "resume", "reconnect", "kill-client"]
    assert [*FeedState] == ["connected", "reconnecting", "polling"]
