"""Recordings of real conferences in both wire formats: the same series, label by label."""

import json
from typing import Any

import pytest
from exposition import samples
from fuzz import corpus
from harness import Service
from jmmc_page import LABELS, NUMBERS, JmmcPage, as_jmmc


def replayed() -> dict[str, list[dict[str, Any]]]:
    """Return the recorded pushes of each participant of each recording, some at its beginning."""
    found: dict[str, list[dict[str, Any]]] = {}
    for body in corpus.recorded():
        push = json.loads(body)
        metrics = push["metrics"]
        metrics["connectionquality"]["labels"] = {
            "serverregion": "eu-west",
            "audioCodec": "opus",
            "videoCodec": "VP8",
        }
        # These come from the browser's report, which these recordings do not have.
        metrics |= {f"resolution_{name}_upload": {"value": 180} for name in ("width", "height")}
        metrics["packetloss_upload"] = {"value": push["session"]["seq"] % 7 / 4}
        metrics["packetloss_download"] = {"value": push["session"]["seq"] % 5 / 4}
        found.setdefault(push["session"]["id"], []).append(push)
    return {name: pushes[:12] for name, pushes in found.items()}


def as_known(push: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """
    Return the metrics of *push* that both wire formats have.

    A value that is not known now is the one *before*, because JMMC clients cannot say that it is
    not known.
    """
    metrics = {name: push["metrics"][name] for name in NUMBERS.values()}
    for name, entry in metrics.items():
        if entry["value"] is None and name != "bandwidth_download" and name in before:
            metrics[name] = {**entry, "value": before[name]["value"]}
    return metrics


def series_of(service: Service, room: str) -> dict[str, dict[tuple[Any, ...], float]]:
    """Return each participant's series by name and labels, without sender and participant."""
    who = ("client_id", "participant_id", "jitsi_participant_id", "session_id")
    found: dict[str, dict[tuple[Any, ...], float]] = {}
    for each in samples(service.get("/metrics/participants").body):
        labels = dict(each.labels)
        if room not in (labels.get("roomname"), labels.get("jitsi_conference_name")):
            continue
        participant = labels.get("participant_id") or labels["jitsi_participant_id"]
        left = {name: text for name, text in labels.items() if name not in who}
        if each.name in ("jitsi_jcmc_info", "jitsi_client_info"):
            sender = left.pop("sender", None) or left.pop("jitsi_client_sender")
            assert sender == ("jmmc" if participant.startswith("jmmc-") else "otel_jcmc")
        found.setdefault(participant, {})[each.name, *sorted(left.items())] = each.value
    return found


@pytest.mark.parametrize("naming", ["jcmc", "otel"])
def test_both_doors_make_the_same_series(
    naming: str, shared_service: Service, shared_otel_service: Service, room: str
) -> None:
    service = shared_service if naming == "jcmc" else shared_otel_service
    recordings = replayed()
    assert len(recordings) == 9
    pages = {name: JmmcPage(service, room, f"jmmc-{name}"[:100]) for name in recordings}
    known: dict[str, dict[str, Any]] = {name: {} for name in recordings}
    before: dict[str, dict[str, Any]] = {name: {} for name in recordings}
    compared = 0
    for page in pages.values():
        page.open()
    for step in range(max(map(len, recordings.values()))):
        for name, pushes in recordings.items():
            if step >= len(pages) + len(pushes) or step >= len(pushes):
                continue
            metrics = before[name] = as_known(pushes[step], before[name])
            labels = {"client_id": pages[name].uid, "participant_id": name, "roomname": room}
            full = {"default_labels": labels, "session": {"id": name}, "metrics": metrics}
            assert service.push(full).body == "OK"
            m = as_jmmc({**pushes[step]["metrics"], **metrics}, known[name])
            answer = pages[name].push(m or {"cq": metrics["connectionquality"]["value"]})
            assert (answer.status, "dropped" in answer.json()) == (200, False), answer.body
        if step % 4 == 3:
            seen = series_of(service, room)
            for name in recordings:
                assert seen[f"jmmc-{name}"[:100]] == seen[name], (step, name)
                compared += len(seen[name])
    assert compared > 9 * 3 * 8


def test_every_field_of_both_wires_is_replayed() -> None:
    known: dict[str, Any] = {}
    for pushes in replayed().values():
        for push in pushes:
            as_jmmc(push["metrics"], known)
    assert known.keys() == {*NUMBERS, *LABELS, "t.tp", "t.ip", "t.lip"}
