"""Who is told what and when, on a loop on which waiting takes no time."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import httpx
import pytest

from alert_sending import LIVES, RESEND, WALL, Sending, play
from electric_agents_exporter.alerting.alert import Alert, Identity
from electric_agents_exporter.alerting.alertmanager import BATCH
from electric_agents_exporter.alerting.choice import Choice, Severity
from electric_agents_exporter.alerting.delivery import DeliveryOptions
from electric_agents_exporter.alerting.sender import Terms
from electric_agents_exporter.fleet.reasons import Reason
from fake_alertmanager import Told, alert, as_told, ended

HALF_A_LOOK = RESEND / 8


def moments(told: list[Told], of: Alert) -> list[float]:
    """Give when it was told of an alert, in seconds since the story began."""
    return [each.at - WALL for each in told if each.identity == of.identity]


DEAD = alert("WorkAbandoned", fired_at=WALL - 5.0)
DEAF = alert("RunnerDeaf", severity="warning", fired_at=WALL - 5.0)
PENDING = alert("RunnerUnhealthy", severity="warning")


def test_what_fires_is_told_at_once_and_then_at_every_interval() -> None:
    async def story(sent: Sending) -> None:
        sent.become(PENDING)
        await asyncio.sleep(100)
        sent.become(PENDING, DEAD)
        await asyncio.sleep(10 * RESEND)

    am = play(story).am
    assert {told.identity for told in am.told} == {DEAD.identity}
    first, *again = moments(am.told, DEAD)
    assert first == pytest.approx(100, abs=0.1)
    gaps = [after - before for before, after in pairwise([first, *again])]
    assert all(abs(gap - RESEND) <= HALF_A_LOOK for gap in gaps)
    for told in am.told:
        assert told.starts_at == DEAD.fired_at
        assert told.ends_at == pytest.approx(told.at + LIVES, abs=0.001)
        assert told.posted["annotations"] == DEAD.annotations


def test_what_is_due_at_about_the_same_time_goes_in_one_request() -> None:
    async def story(sent: Sending) -> None:
        sent.become(DEAD)
        await asyncio.sleep(5)
        sent.become(DEAD, DEAF)
        await asyncio.sleep(10 * RESEND)

    batches = play(story).am.batches
    assert [len(batch) for batch in batches[:2]] == [1, 1]
    assert {len(batch) for batch in batches[3:]} == {2}


def test_the_end_is_told_at_once_and_again_while_it_is_remembered() -> None:
    over = ended(DEAD, WALL + 90)

    async def story(sent: Sending) -> None:
        sent.become(DEAD)
        await asyncio.sleep(100)
        sent.become(over)
        await asyncio.sleep(200)
        sent.become()
        await asyncio.sleep(300)

    am = play(story).am
    ends = [told for told in am.told if not told.fires]
    assert len(ends) == 4
    assert ends[0].at == pytest.approx(WALL + 100, abs=0.1)
    assert {told.ends_at for told in ends} == {over.resolved_at}
    assert am.told[-1] is ends[-1]


def test_what_fires_anew_is_told_at_once() -> None:
    again = alert("WorkAbandoned", fired_at=WALL + 50)

    async def story(sent: Sending) -> None:
        sent.become(DEAD)
        await asyncio.sleep(30)
        sent.become(ended(DEAD, WALL + 30))
        await asyncio.sleep(25)
        sent.become(again)
        await asyncio.sleep(1)

    told = play(story).am.told
    assert [(round(each.at - WALL), each.fires) for each in told] == [
        (0, True),
        (30, False),
        (55, True),
    ]
    assert told[-1].starts_at == again.fired_at


def test_a_clock_that_was_set_back_makes_no_alert_begin_after_its_end() -> None:
    early = alert("WorkAbandoned", fired_at=WALL + 3600)
    odd = alert("RunnerDeaf", fired_at=WALL + 3600, resolved_at=WALL - 5)

    async def story(sent: Sending) -> None:
        sent.become(early, odd)
        await asyncio.sleep(1)

    for told in play(story).am.told:
        assert told.starts_at <= told.ends_at
        assert told.starts_at <= told.at


def test_more_than_fit_in_a_request_go_in_several_those_that_are_new_first() -> None:
    many = [alert("RunnerDeaf", fired_at=WALL, runner_id=str(number)) for number in range(150)]

    async def story(sent: Sending) -> None:
        sent.become(*many)
        await asyncio.sleep(RESEND - HALF_A_LOOK)
        sent.become(*many, DEAD)
        await asyncio.sleep(0.5)

    am = play(story).am
    assert [len(batch) for batch in am.batches] == [BATCH, BATCH, 150 - 2 * BATCH, BATCH, BATCH, 23]
    assert am.batches[3][0].identity == DEAD.identity


def test_an_alert_that_fires_while_others_are_being_sent_comes_next() -> None:
    many = [alert("RunnerDeaf", fired_at=WALL, runner_id=str(number)) for number in range(640)]

    async def story(sent: Sending) -> None:
        async def slow(_: httpx.Request) -> None:
            await asyncio.sleep(1)

        sent.become(*many)
        await asyncio.sleep(1)
        sent.am.answer = slow
        await asyncio.sleep(RESEND)  # the many are being sent again
        sent.become(*many, DEAD)
        await asyncio.sleep(3)

    (told,) = moments(play(story).am.told, DEAD)
    assert told <= RESEND + 1 + 2


def test_a_failure_is_tried_again_sooner_at_first_and_never_later_than_half_a_minute() -> None:
    async def story(sent: Sending) -> None:
        sent.am.answer = sent.am.with_status(503)
        sent.become(DEAD)
        await asyncio.sleep(1000)

    am = play(story).am
    gaps = [after - before for before, after in pairwise(am.posted_at)]
    longest = [1, 2, 4, 8, 16, *[30] * 100]
    assert len(gaps) >= 5 + 900 / 30
    assert all(most / 2 <= gap <= most for gap, most in zip(gaps, longest, strict=False))
    assert am.told == []


def test_what_holds_arrives_when_an_alertmanager_is_back_and_what_ended_never_fires() -> None:
    born = alert("FleetUnavailable", fired_at=WALL + 20)

    async def story(sent: Sending) -> None:
        sent.become(DEAD, DEAF)
        await asyncio.sleep(10)
        sent.am.answer = sent.am.refuse
        await asyncio.sleep(20)
        sent.become(DEAD, DEAF, born)
        await asyncio.sleep(200)
        sent.become(DEAD, ended(DEAF, WALL + 200), born)
        await asyncio.sleep(100)
        sent.am.batches.clear()
        sent.am.answer = sent.am.well
        await asyncio.sleep(31)

    sent = play(story)
    told = {each.identity: each.fires for each in sent.am.told}
    assert told == {DEAD.identity: True, born.identity: True, DEAF.identity: False}
    assert len(sent.am.told) == 3, "each once"
    assert sent.counts.errors["http://am.test", Reason.CONNECT] > 5


def test_one_that_was_away_is_told_all_that_fires_as_it_may_have_forgotten() -> None:
    async def story(sent: Sending) -> None:
        sent.become(DEAD)
        await asyncio.sleep(2)
        sent.am.answer = sent.am.refuse
        sent.become(DEAD, DEAF)
        await asyncio.sleep(5)
        assert sent.am.firing() == set()
        sent.am.answer = sent.am.well
        await asyncio.sleep(8)
        assert sent.am.firing() == {DEAD.identity, DEAF.identity}

    play(story)


def test_a_slow_or_dead_alertmanager_holds_up_no_other() -> None:
    async def story(sent: Sending) -> None:
        _, slow, dead = sent.to.values()
        slow.answer, dead.answer = slow.hang, dead.refuse
        sent.become(DEAD)
        await asyncio.sleep(0.1)

    sent = play(story, Sending(urls=("http://a.test", "http://slow.test", "http://dead.test")))
    assert moments(sent.am.told, DEAD) == [pytest.approx(0, abs=0.05)]


def test_a_request_that_hangs_is_given_up_and_counted() -> None:
    async def story(sent: Sending) -> None:
        sent.am.answer = sent.am.hang
        sent.become(DEAD)
        await asyncio.sleep(10.5)

    sent = play(story)
    assert sent.counts.errors["http://am.test", Reason.TIMEOUT] == 1
    assert sent.counts.sent == {"http://am.test": 0}


def test_an_alert_that_is_refused_keeps_no_other_from_arriving() -> None:
    many = [alert("RunnerDeaf", fired_at=WALL, runner_id=str(number)) for number in range(100)]

    async def refuse_some(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(400) if b'"runner_id":"7"' in request.content else None

    async def story(sent: Sending) -> None:
        sent.am.answer = refuse_some
        sent.become(*many)
        await asyncio.sleep(40)
        sent.become(*many, DEAD)
        await asyncio.sleep(0.5)

    sent = play(story)
    assert len({told.identity for told in sent.am.told}) == 100 - BATCH + 1
    assert moments(sent.am.told, DEAD) == [pytest.approx(40, abs=0.1)]
    # At 0, three to six waits later, and at once with the new one.
    assert 5 <= sent.counts.errors["http://am.test", Reason.CLIENT_ERROR] <= 8


def test_of_an_alert_that_is_refused_over_and_over_people_are_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(sent: Sending) -> None:
        sent.am.answer = sent.am.with_status(400)
        sent.become(DEAD)
        await asyncio.sleep(300)

    play(story)
    said = [(vars(record)["message"], vars(record).get("why")) for record in caplog.records]
    assert said == [
        ("Alertmanager does not take alerts", "client_error: HTTP 400"),
        ("Alertmanager did not tell what it knows", None),
    ]


def test_what_never_fired_began_when_it_was_first_seen() -> None:
    odd = alert("RunnerDeaf", active_at=WALL - 70, resolved_at=WALL - 5)

    async def story(sent: Sending) -> None:
        sent.become(odd)
        await asyncio.sleep(1)

    (told,) = play(story).am.told
    assert (told.starts_at, told.ends_at) == (WALL - 70, WALL - 5)


def test_only_what_is_chosen_is_sent_and_always_the_watchdog() -> None:
    watchdog = alert("Watchdog", severity="none", fired_at=WALL)
    mild = alert("ContractDrift", severity="info", fired_at=WALL)
    foreign = alert("RunnerFlapping", severity="page-me", fired_at=WALL)

    async def story(sent: Sending) -> None:
        sent.become(watchdog, mild, DEAF, DEAD, foreign)
        await asyncio.sleep(1)

    def chosen(choice: Choice) -> set[Identity]:
        sending = Sending(terms=Terms(choice, RESEND))
        return {told.identity for told in play(story, sending).am.told}

    every = {each.identity for each in (watchdog, mild, DEAF, DEAD, foreign)}
    assert chosen(Choice()) == every
    assert chosen(Choice(Severity.WARNING)) == every - {mild.identity}
    assert chosen(Choice(Severity.CRITICAL)) == every - {mild.identity, DEAF.identity}
    names = frozenset({"ElectricAgentsRunnerDeaf"})
    assert chosen(Choice(names=names)) == {DEAF.identity}
    assert chosen(Choice(Severity.CRITICAL, names)) == set()


def test_alerts_lead_to_where_the_settings_say() -> None:
    async def story(sent: Sending) -> None:
        sent.become(DEAD)
        await asyncio.sleep(1)

    (told,) = play(story, Sending(terms=Terms(generator_url="https://exporter.test/"))).am.told
    assert told.posted["generatorURL"] == "https://exporter.test/"


def test_new_settings_hold_at_once_and_who_stays_is_not_told_again() -> None:
    async def story(sent: Sending) -> None:
        first, other = sent.to.values()
        sent.become(DEAD, DEAF)
        await asyncio.sleep(10)
        assert [len(each.told) for each in (first, other)] == [2, 2]
        terms = Terms(Choice(Severity.CRITICAL), resend_interval=20.0)
        options = DeliveryOptions(sent.options.alertmanagers[:1], terms)
        sent.delivery.configure(options)
        await asyncio.sleep(5)
        assert [len(each.told) for each in (first, other)] == [2, 2]
        await asyncio.sleep(60)
        assert len(moments(first.told, DEAD)) == 4
        assert len(moments(first.told, DEAF)) == 1
        assert len(other.told) == 2
        assert set(sent.counts.sent) == {first.url}
        # The same place with another password is asked anew.
        changed = replace(options.alertmanagers[0], timeout=3.0)
        sent.delivery.configure(DeliveryOptions((changed,), terms))
        await asyncio.sleep(1)
        assert len(moments(first.told, DEAD)) == 5

    play(story, Sending(urls=("http://a.test", "http://b.test")))


def test_with_nobody_to_send_to_nothing_is_done() -> None:
    async def story(sent: Sending) -> None:
        sent.become(DEAD)
        await asyncio.sleep(100)
        assert len(asyncio.all_tasks()) == 1
        assert sent.delivery.known() == {}

    play(story, Sending(urls=()))


def test_the_end_waits_for_no_request_and_leaves_no_task() -> None:
    async def story(sent: Sending) -> None:
        sent.am.answer = sent.am.hang
        sent.become(DEAD)
        await asyncio.sleep(1)
        before = asyncio.get_running_loop().time()
        await sent.delivery.aclose()
        assert asyncio.get_running_loop().time() == before
        assert len(asyncio.all_tasks()) == 1
        sent.delivery.configure(sent.options)
        assert len(asyncio.all_tasks()) == 1  # settings that come after it begin nothing

    play(story)


# --- what an Alertmanager knew before -------------------------------------------------------------


def test_what_fires_there_is_known_with_its_beginning_until_it_ends_by_itself() -> None:
    async def story(sent: Sending) -> None:
        sent.am.take([as_told(DEAD, ends_at=WALL + 150)])
        await asyncio.sleep(0.1)
        assert sent.delivery.known() == {DEAD.identity: DEAD.fired_at}
        await asyncio.sleep(200)
        assert sent.delivery.known() == {}

    play(story)


def test_of_two_that_know_an_alert_the_earlier_beginning_counts() -> None:
    async def story(sent: Sending) -> None:
        first, other = sent.to.values()
        later = alert("RunnerDeaf", severity="warning", fired_at=WALL - 2)
        earlier = alert("WorkAbandoned", fired_at=WALL - 9)
        first.take([as_told(each, ends_at=WALL + 150) for each in (DEAD, DEAF)])
        other.take([as_told(each, ends_at=WALL + 150) for each in (earlier, later)])
        await asyncio.sleep(0.1)
        assert sent.delivery.known() == {DEAD.identity: WALL - 9, DEAF.identity: DEAF.fired_at}

    play(story, Sending(urls=("http://a.test", "http://b.test")))


def test_one_that_does_not_answer_is_asked_again_while_what_it_knows_may_hold() -> None:
    async def story(sent: Sending) -> None:
        sent.am.take([as_told(DEAD, ends_at=WALL + 150)])
        sent.am.answer = sent.am.with_status(503)
        await asyncio.sleep(100)
        assert sent.delivery.known() == {}
        sent.am.answer = sent.am.well
        await asyncio.sleep(31)
        assert sent.delivery.known() == {DEAD.identity: DEAD.fired_at}

    play(story)


def test_one_that_never_says_what_it_knows_is_told_of_alerts_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def no_questions(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(403) if request.method == "GET" else None

    async def story(sent: Sending) -> None:
        sent.am.answer = no_questions
        sent.become(DEAD)
        await asyncio.sleep(2 * LIVES)

    am = play(story).am
    assert moments(am.told, DEAD)[0] < 0.1
    asked = [request for request in am.requests if request.method == "GET"]
    assert LIVES / 30 <= len(asked) <= LIVES / 15 + 6
    (record,) = caplog.records
    assert record.message == "Alertmanager did not tell what it knows"


def test_one_that_is_added_later_is_not_asked() -> None:
    async def story(sent: Sending) -> None:
        one, other = sent.to.values()
        sent.delivery.configure(DeliveryOptions(sent.options.alertmanagers[:1], sent.terms))
        await asyncio.sleep(LIVES + 1)
        sent.delivery.configure(sent.options)
        await asyncio.sleep(10)
        assert [request.method for request in one.requests] == ["GET"]
        assert other.requests == []

    sending = Sending(urls=("http://a.test", "http://b.test"))
    sending.delivery.configure(DeliveryOptions(sending.options.alertmanagers[:1], sending.terms))
    play(story, sending)


# --- what people are told -------------------------------------------------------------------------


def test_the_log_says_once_why_alerts_do_not_arrive_and_once_that_they_do_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    async def story(sent: Sending) -> None:
        sent.become(DEAD)
        await asyncio.sleep(10)
        sent.am.answer = sent.am.refuse
        sent.become(DEAD, DEAF)
        await asyncio.sleep(200)
        sent.am.answer = sent.am.with_status(401)
        await asyncio.sleep(200)
        sent.am.answer = sent.am.well
        await asyncio.sleep(200)

    am = play(story).am
    said = [(record.levelname, record.message) for record in caplog.records]
    assert said == [
        ("INFO", "Alertmanager told what it knows"),
        ("WARNING", "Alertmanager does not take alerts"),
        ("WARNING", "Alertmanager does not take alerts"),
        ("INFO", "Alertmanager takes alerts again"),
    ]
    asked, down, rejected, again = map(vars, caplog.records)
    assert asked["alerts"] == 0
    away = moments(am.told, DEAF)[0] - 10
    assert again["after"] in {str(timedelta(seconds=round(away + off))) for off in (-0.01, 0.01)}
    assert down["alertmanager"] == "http://am.test"
    assert down["why"] == "connect: Connection refused"
    assert rejected["why"] == "unauthorized: HTTP 401"


def test_what_was_sent_and_what_failed_is_counted_by_alertmanager() -> None:
    async def story(sent: Sending) -> None:
        assert sent.counts.sent == {"http://am.test": 0}
        assert set(sent.counts.errors.values()) == {0}
        sent.become(DEAD, DEAF)
        await asyncio.sleep(RESEND + HALF_A_LOOK)
        assert sent.counts.sent == {"http://am.test": 4}
        sent.am.answer = sent.am.with_status(500)
        sent.become(ended(DEAD, WALL + 60))
        await asyncio.sleep(0.1)
        assert sent.counts.errors["http://am.test", Reason.SERVER_ERROR] == 1
        assert sum(sent.counts.errors.values()) == 1

    play(story)


def test_a_bug_costs_one_try_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    async def story(sent: Sending) -> None:
        sent.become(alert("RunnerDeaf", fired_at=float("nan")))
        await asyncio.sleep(10)
        sent.become(DEAD)
        await asyncio.sleep(31)

    assert len(moments(play(story).am.told, DEAD)) == 1
    bug, failing, *_ = caplog.records
    assert bug.exc_info
    assert vars(bug)["alertmanager"] == "http://am.test"
    assert vars(failing)["why"] == "other"
