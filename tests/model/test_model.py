"""History and spans compared with the ledger of a crowd (README.md); one property each."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from model.ledger import EXPIRATION, INTERVAL, Leg, Push, told
from model.stage import Played, play, stages
from sink_requests import SinkSpan

VITALS = ("quality", "loss", "round_trip")
# Of times in seconds: an entry has tenths, and clocks are read a moment before or after.
NEAR = 0.15


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Played]]:
    """Return what was played at one service, and at two that took the pushes in turns."""
    with stages(tmp_path_factory.mktemp("m", numbered=True), one=1, two=2) as made:
        play([*made.values()])
        yield made


@pytest.fixture(params=["one", "two"])
def played(both: dict[str, Played], request: pytest.FixtureRequest) -> Played:
    return both[request.param]


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def is_within(at: float, window: tuple[float, float]) -> bool:
    return window[0] - NEAR <= at <= window[1] + NEAR


def near(played: Played) -> float:
    """Return the tolerance of a share of time; each of two processes gets every other push."""
    return 0.06 if len(played.services) == 1 else 0.1


def push_of(leg: Leg, sample: dict[str, Any]) -> Push:
    """Return the push of a sample; a heartbeat is found by its time."""
    number = told(sample, "metrics", "bandwidth_upload")
    if number is not None:
        (found,) = [each for each in leg.pushes if each.number == number]
        return found
    silent = [each for each in leg.pushes if each.vitals is None]
    return min(silent, key=lambda each: abs(each.at - seconds(sample["time"])))


def changes_in(session: dict[str, Any]) -> list[tuple[str, float]]:
    """Return the changes of state among the events of a session's samples, with their times."""
    found = [
        (event["what"].split(".")[1], seconds(event["time"]))
        for sample in session["samples"]
        for event in sample.get("events", ())
        if event["what"].startswith("verdict.")
    ]
    return sorted(found, key=lambda each: each[1])


# Sessions


def test_the_list_has_each_leg_of_each_session_and_no_other(played: Played) -> None:
    for name, person in played.people.items():
        legs = [(leg.session, leg.number) for leg in person.legs()]
        found = [(each["session_id"].partition(".")[0], each["leg"]) for each in played.of(name)]
        assert found == legs, name
    others = {each["participant_id"] for each in played.listed.values()} - played.people.keys()
    assert others == {"lossy", "older"}


def test_each_says_whose_it_was(played: Played) -> None:
    for person, _, session in played.pairs():
        assert (session["conference"], session["client_id"]) == (person.room, person.client)


def test_each_began_with_its_first_push_and_ended_with_its_last_word(played: Played) -> None:
    for person, leg, session in played.pairs():
        if not leg.pushes:
            continue
        first, last = leg.pushes[0], leg.pushes[-1]
        assert is_within(seconds(session["started"]), (first.sent, first.answered)), person.name
        assert is_within(seconds(session["last_push"]), (last.sent, last.answered)), person.name
        assert is_within(seconds(session["ended"]), leg.ended()), person.name


def test_an_expiry_is_the_last_push_though_it_meant_to_push_more_seldom_by_then(
    played: Played,
) -> None:
    leg, session = played.one("slower")
    assert session["end_reason"] == "expired"
    assert is_within(seconds(session["ended"]), leg.ended())


def test_each_ended_as_its_page_said_or_as_nobody_did(played: Played) -> None:
    found = {person.name: session["end_reason"] for person, _, session in played.pairs()}
    assert {name: found[name] for name in ("counter", "mover", "failed", "never_in")} == {
        "counter": "kicked",
        "mover": "closed",
        "failed": "failed",
        "never_in": "failed",
    }
    for person, leg, session in played.pairs():
        assert session["end_reason"] == leg.reason, person.name
    causes = {name: played.of(name)[0]["end_cause"] for name in ("failed", "never_in", "mover")}
    assert causes == {"failed": "ice_failed", "never_in": "connection_error", "mover": None}


def test_who_is_back_within_the_grace_goes_on_and_later_is_a_session_of_its_own(
    played: Played,
) -> None:
    ((_, session),) = [pair[1:] for pair in played.pairs() if pair[0].name == "graced"]
    assert (session["session_id"], session["leg"]) == ("graced-session-1", 1)
    for name in ("back", "third"):
        first, second = played.of(name)
        assert (first["session_id"], first["previous"]) == (f"{name}-session-1", None)
        assert (second["session_id"], second["previous"]) == (f"{name}-session-1.2", first["id"])


def test_two_tabs_of_a_browser_are_two_sessions(played: Played) -> None:
    client = played.people["tab_one"].client
    found = played.ask(f"client_id={client.upper()}")["sessions"]
    assert {each["participant_id"] for each in found} == {"tab_one", "tab_two"}


# Samples


def test_no_push_is_a_sample_twice_and_the_last_one_is(played: Played) -> None:
    for person, leg, session in played.pairs():
        samples = played.each[session["id"]]["samples"]
        found = [push_of(leg, each).number for each in samples]
        assert found == sorted(set(found)), person.name
        assert found[-1:] == [each.number for each in leg.pushes[-1:]], person.name


def test_there_is_a_sample_for_each_interval(played: Played) -> None:
    """The check each second writes what has lasted for an interval."""
    for person, leg, session in played.pairs():
        times = [seconds(each["time"]) for each in played.each[session["id"]]["samples"]]
        for push in leg.pushes:
            after = min((at for at in times if at > push.sent - NEAR), default=0.0)
            assert after - push.at < INTERVAL + 1.5, (person.name, push.number)


def test_two_processes_that_take_turns_write_hardly_more_samples_than_one(
    both: dict[str, Played],
) -> None:
    one, two = (
        sum(len(each["samples"]) for each in played.each.values()) for played in both.values()
    )
    assert two <= 1.2 * one, (one, two)


def test_a_sample_has_what_its_push_had_and_its_time(played: Played) -> None:
    for _, leg, session in played.pairs():
        for sample in played.each[session["id"]]["samples"]:
            push, metrics = push_of(leg, sample), sample["metrics"]
            assert is_within(seconds(sample["time"]), (push.sent, push.answered))
            if push.vitals is None:
                assert metrics["connectionquality"] is None
                continue
            assert metrics["connectionquality"] == push.vitals[0]
            assert metrics["packetloss_download"] == push.vitals[1]
            assert metrics["transport_rtt"] == [push.vitals[2]]


def test_worst_and_best_of_a_sample_are_those_of_its_pushes(both: dict[str, Played]) -> None:
    played = both["one"]
    for person, leg, session in played.pairs():
        before = 0
        for sample in played.each[session["id"]]["samples"]:
            number = push_of(leg, sample).number
            of = [each for each in leg.known if before < each.number <= number and each.vitals]
            before = number
            for index, vital in enumerate(VITALS):
                values = [each.vitals[index] for each in of if each.vitals]
                if not values:
                    assert (sample["worst"][vital], sample["best"][vital]) == (None, None)
                    continue
                least, most = min(values), max(values)
                edges = (least, most) if vital == "quality" else (most, least)
                found = sample["worst"][vital], sample["best"][vital]
                assert found == pytest.approx(edges, abs=0.05), (person.name, number, vital)


def test_worst_and_best_of_a_session_are_those_of_all_its_pushes(played: Played) -> None:
    for person, leg, session in played.pairs():
        summary = played.each[session["id"]]["summary"]
        for index, vital in enumerate(VITALS):
            if values := leg.values(index):
                edges = (min(values), max(values))
                worst, best = edges if vital == "quality" else edges[::-1]
                found = summary[vital]["worst"], summary[vital]["best"]
                assert found == pytest.approx((worst, best), abs=0.05), (person.name, vital)


def test_the_mean_of_a_session_is_that_of_all_its_pushes(played: Played) -> None:
    """Not of the pushes that happen to be the last of an interval."""
    _, flapper = played.one("flapper")
    summary = flapper["summary"]
    assert summary["quality"]["mean"] == pytest.approx(40, abs=4)
    assert summary["loss"]["mean"] == pytest.approx(13.33, abs=1.5)
    for person, leg, session in played.pairs():
        for index, vital in enumerate(VITALS):
            if leg.known:
                found = played.each[session["id"]]["summary"][vital]["mean"]
                spread = max(leg.values(index)) - min(leg.values(index))
                expected = pytest.approx(leg.mean(index), abs=0.5 + 0.06 * spread)
                assert found == expected, (person.name, vital)


def test_what_was_counted_is_the_sum_of_all_pushes(played: Played) -> None:
    leg, session = played.one("counter")
    pushed = [len(leg.known) * each for each in (2, 450, 3)]
    assert pushed == [32, 7200, 48]
    fields = ("freezes", "freeze_time", "frames_dropped")
    kept = [sum(each["metrics"][field] for each in session["samples"]) for field in fields]
    assert kept == pushed


def test_loss_is_that_of_the_worse_direction(played: Played) -> None:
    _, session = played.one("worse_way")
    loss = session["summary"]["loss"]
    assert [loss[word] for word in ("worst", "mean", "best")] == [8.0, 8.0, 8.0]


def test_a_heartbeat_forgets_nothing(played: Played) -> None:
    for name in ("stopped", "resumed"):
        (session,) = played.of(name)
        assert session["region"] == "eu-west", name
        assert [each["networkType"] for each in session["transports"]] == ["wifi"], name


def test_what_is_known_as_unknown_is_never_filled(played: Played) -> None:
    for name, before, after in (("stopped", 97.0, None), ("resumed", 88.0, 76.0)):
        leg, session = played.one(name)
        silent = [each.sent for each in leg.pushes if each.vitals is None]
        values = [
            sample["metrics"]["connectionquality"]
            for sample in played.filled[session["id"]]["samples"]
            if silent[0] - NEAR < seconds(sample["time"]) < silent[-1] + NEAR
        ]
        assert values, name
        assert values.count(None) >= len(values) - 1, (name, values)
        assert {*values} <= {None, before, after}, name


def test_gaps_are_where_nobody_pushed(played: Played) -> None:
    for person, leg, session in played.pairs():
        for sample in played.each[session["id"]]["samples"]:
            gap = sample.get("gap_seconds")
            pauses = [b.at - a.at for a, b in zip(leg.pushes, leg.pushes[1:], strict=False)]
            if gap is not None:
                assert max(pauses) > EXPIRATION, person.name
    _, session = played.one("graced")
    (gap,) = [each["gap_seconds"] for each in session["samples"] if "gap_seconds" in each]
    # From the last push before, to the last push of the interval after.
    assert 3.3 < gap < 3.5 + INTERVAL + 0.8


def test_events_are_the_changes_of_the_state_and_none_is_lost(played: Played) -> None:
    for name in ("crossing", "mover", "flapper", "first_bad", "was_away"):
        leg, session = played.one(name)
        found = changes_in(session)
        expected = leg.crossings()
        assert [what for what, _ in found] == [what for what, _ in expected], name
        for (_, at), (_, push) in zip(found, expected, strict=True):
            # Its length is in tenths, before a time in tenths.
            assert is_within(at, (push.sent - 0.1, push.answered)), name
    assert len(played.one("crossing")[0].crossings()) == 14


def test_stopped_and_resumed_statistics_are_events(played: Played) -> None:
    for name, expected in (("stopped", ["stopped"]), ("resumed", ["stopped", "resumed"])):
        _, session = played.one(name)
        found = [
            event["what"].removeprefix("stats.")
            for sample in session["samples"]
            for event in sample.get("events", ())
            if event["what"].startswith("stats.")
        ]
        assert found == expected, name


# The formats


def test_csv_says_what_json_says(played: Played) -> None:
    for sid, session in played.each.items():
        rows = played.tables[sid]
        assert len(rows) == len(session["samples"])
        for row, sample in zip(rows, session["samples"], strict=True):
            assert row["time"] == sample["time"]
            for field, value in sample["metrics"].items():
                worst = max(filter(None, value), default=None) if type(value) is list else value
                assert (float(row[field]) if row[field] else None) == worst, field
            for vital in VITALS:
                for edge in ("worst", "best"):
                    cell = row[f"{vital}_{edge}"]
                    assert (float(cell) if cell else None) == sample[edge][vital]
            for part in ("attributes", "events"):
                assert (json.loads(row[part]) if row[part] else None) == sample.get(part)


def test_pages_of_any_length_have_each_session_once_and_in_one_order(played: Played) -> None:
    whole = [each["id"] for each in played.ask("limit=500")["sessions"]]
    assert len(whole) == len(set(whole)) == len(played.listed)
    for limit in range(1, len(whole) + 2):
        found: list[str] = []
        after = ""
        while True:
            page = played.ask(f"limit={limit}&after={after}", at=limit % len(played.services))
            found += [each["id"] for each in page["sessions"]]
            after = page["next"]
            if not after:
                break
            assert len(page["sessions"]) == limit
        assert found == whole, limit


def test_filters_choose_what_the_ledger_chooses(played: Played) -> None:
    pairs = [*played.pairs()]
    for room in {person.room for person, *_ in pairs}:
        expected = {session["id"] for person, _, session in pairs if person.room == room}
        assert {each["id"] for each in played.ask(f"conference={room}")["sessions"]} == expected
    for step in range(1, 12):
        since, until = played.began + step, played.began + step + 0.7
        found = {each["id"] for each in played.ask(f"from={since:.3f}&to={until:.3f}")["sessions"]}
        for person, leg, session in pairs:
            if not leg.pushes:
                continue
            began, ended = leg.pushes[0], leg.ended()
            if began.answered < until - NEAR and ended[0] > since + NEAR:
                assert session["id"] in found, (person.name, step)
            if began.sent > until + NEAR or ended[1] < since - NEAR:
                assert session["id"] not in found, (person.name, step)


# The other wire format


def test_history_of_a_page_that_tells_changes_judges_all_that_is_known(played: Played) -> None:
    first, _ = sorted(played.of("lossy"), key=lambda each: each["leg"])
    session = played.each[first["id"]]
    loss = session["summary"]["loss"]
    assert loss["worst"] == 20
    assert loss["mean"] == pytest.approx(20, abs=0.01)
    assert loss["best"] == 20
    quality = session["summary"]["quality"]
    assert (quality["worst"], quality["best"]) == (60.0, 68.0)
    # 60 to 68 by the second wire format, which does not say how long each value lasted.
    assert quality["mean"] == pytest.approx(64, abs=2)


def test_a_page_that_is_back_with_one_field_is_whole_in_history(played: Played) -> None:
    _, second = sorted(played.of("lossy"), key=lambda each: each["leg"])
    (sample,) = played.filled[second["id"]]["samples"]
    assert sample["metrics"]["connectionquality"] == 70
    assert sample["worst"]["loss"] == 20
    assert sample["metrics"]["packetloss_upload"] == 20
    assert sample["metrics"]["bandwidth_upload"] == 2000


def test_the_older_of_two_pages_of_one_participant_hears_that_it_has_to_open_again(
    played: Played,
) -> None:
    assert played.pages["older"].statuses == [200, 200, 200, 400]
    assert {*played.pages["lossy"].statuses} == {200}


# Spans


def roots(played: Played) -> dict[str, SinkSpan]:
    return {each.span_id: each for each in played.sink.spans("jitsi.conference")}


def test_each_session_is_one_span_that_leads_back_to_it(played: Played) -> None:
    assert played.spans.keys() == played.listed.keys()
    for sid, span in played.spans.items():
        session = played.listed[sid]
        assert (session["trace_id"], session["span_id"]) == (span.trace_id, span.span_id)
        assert session["session_id"] == span.attributes["session.id"]
    sent = Counter(each.span_id for each in played.sink.spans("jitsi.session"))
    assert {*sent.values()} == {1}


def test_a_span_has_the_times_and_the_end_of_its_session(played: Played) -> None:
    for sid, span in played.spans.items():
        session = played.listed[sid]
        assert span.start_ms == pytest.approx(1000 * seconds(session["started"]), abs=1)
        # For an expired session it is read before any process marks the end: by last push and life.
        assert span.end_ms == pytest.approx(1000 * seconds(session["ended"]), abs=20)
        assert span.attributes["jitsi.session.end.reason"] == session["end_reason"]


def test_a_further_leg_names_the_one_before_and_is_linked_to_it(played: Played) -> None:
    for session in played.listed.values():
        span = played.spans[session["id"]]
        if session["leg"] == 1:
            assert (span.attributes.get("session.previous_id"), span.links) == (None, [])
            continue
        before = played.spans[session["previous"]]
        assert span.attributes["session.previous_id"] == before.attributes["session.id"]
        ((trace, of, _),) = span.links
        assert (trace, of) == (before.trace_id, before.span_id)


def test_the_sessions_of_a_conference_are_one_trace_under_its_span(played: Played) -> None:
    known = roots(played)
    for person, _, session in played.pairs():
        span = played.spans[session["id"]]
        root = known[span.parent_id]
        assert (root.trace_id, root.attributes["jitsi.conference.name"]) == (
            span.trace_id,
            person.room,
        )


def test_a_room_that_was_empty_for_the_grace_is_another_conference_afterwards(
    played: Played,
) -> None:
    parents = {
        name: [played.spans[each["id"]].parent_id for each in played.of(name)]
        for name in ("early", "late", "back", "third", "crossing")
    }
    assert parents["early"] != parents["late"]
    assert len({*parents["back"]}) == 2
    # Others were there meanwhile.
    assert {*parents["third"]} == {*parents["crossing"]}
    counts: dict[str, list[int]] = {}
    for each in roots(played).values():
        name = str(each.attributes["jitsi.conference.name"])
        counts.setdefault(name, []).append(each.attributes["jitsi.conference.sessions.count"])
    del counts["jmmc-room"]
    legs = dict.fromkeys(counts, 0)
    for person, _, _ in played.pairs():
        legs[person.room] += 1
    assert {room: sum(each) for room, each in counts.items()} == legs
    assert (len(counts["cellar"]), len(counts["attic"])) == (2, 2)


def test_averages_and_shares_of_a_span_are_of_all_pushes(played: Played) -> None:
    for person, leg, session in played.pairs():
        found = played.spans[session["id"]].attributes
        if not leg.known:
            continue
        loss = found["jitsi.session.packet_loss.average"]
        spread = max(leg.values(1)) - min(leg.values(1))
        assert 100 * loss == pytest.approx(leg.mean(1), abs=0.3 + 0.06 * spread), person.name
        share = found["jitsi.session.packet_loss.bad_share"]
        assert share == pytest.approx(leg.bad_share(), abs=near(played)), person.name
        assert found["jitsi.session.packet_loss.worst"] == max(leg.values(1)) / 100


def test_a_push_that_does_not_say_for_how_long_weighs_as_much_as_others(played: Played) -> None:
    for name, share in (("first_bad", 1 / 5), ("was_away", 1 / 12), ("once", 1.0)):
        leg, session = played.one(name)
        found = played.spans[session["id"]].attributes["jitsi.session.packet_loss.bad_share"]
        assert found == pytest.approx(share, abs=near(played)), name
        assert leg.bad_share() == pytest.approx(share, abs=0.05), name


def test_a_span_says_where_it_was_bad_and_is_found_by_its_status(played: Played) -> None:
    _, session = played.one("mover")
    found = played.spans[session["id"]]
    assert found.attributes["jitsi.region"] == "ap-south"
    assert found.attributes["jitsi.verdict.bad.regions"] == ["eu-west"]
    assert found.attributes["jitsi.verdict.bad.networks"] == ["wifi"]
    assert found.attributes["jitsi.verdict.share.bad"] == pytest.approx(12 / 18, abs=0.05)
    for person, leg, told_of in played.pairs():
        is_error = played.spans[told_of["id"]].message.status.code == 2
        is_bad = bool(leg.known) and leg.bad_share() > 0.1
        if person.name not in ("was_away", "counter"):
            assert is_error == (is_bad or leg.reason == "failed"), person.name


def test_a_span_tells_what_happened_as_history_does(played: Played) -> None:
    for name in ("crossing", "mover", "flapper", "first_bad"):
        leg, session = played.one(name)
        found = [
            what.removeprefix("jitsi.session.verdict.")
            for _, what, _ in played.spans[session["id"]].events
            if what.startswith("jitsi.session.verdict.")
        ]
        assert found == [what for what, _ in leg.crossings()], name


def test_what_was_counted_is_in_the_span(played: Played) -> None:
    _, session = played.one("counter")
    found = played.spans[session["id"]].attributes
    words = ("freezes", "freeze_time", "frames_dropped")
    assert [found[f"jitsi.session.video.{word}"] for word in words] == [32, 7.2, 48]
