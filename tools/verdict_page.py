"""Makes docs/verdict.md from the verdict's rules."""

from math import inf
from typing import Final

from otel_jcmc.verdict import rules as verdict_rules
from otel_jcmc.verdict.standing import THRESHOLDS
from tools.markdown import page, table

# Kind of page, what evidence it lacks, and what follows.
_SENDERS: Final = (
    ("`otel_jcmc` in Chromium", "nothing", "every state"),
    (
        "`otel_jcmc` in Firefox",
        "`outage_up`, limits, the bandwidth",
        "every state; sent badly only by loss",
    ),
    (
        "`otel_jcmc` in Safari",
        "freezes in older versions, limits",
        "every state; fewer pictures count as seen badly",
    ),
    ("audio only", "everything about the picture", "every state"),
    ("alone, or no other participant sends", "received media", "unknown"),
    (
        "`original`",
        "loss up (always 0), outages, sound and picture",
        (
            "good; bad by loss down or the round trip; unknown in an outage, because its numbers"
            " stand still"
        ),
    ),
    (
        "`jmmc`",
        "the round trip, outages, sound and picture; it sends only changes",
        "never good; a value from two pushes ago no longer counts",
    ),
)


def _rules() -> str:
    """Return the two rules that the table of scopes names."""
    at = THRESHOLDS
    return (
        "Two rules say when a thing is bad:\n\n"
        f"- *Far worse than the rest.* The average share of bad calls in its conferences is over"
        f" {at.share:.0%},\n  and over {at.times:g} times that of the rest. The lower end of"
        f" Wilson's interval (z = {at.z:g}) must pass\n  both bounds, also without the worst"
        f" conference. The bad calls are in at least {at.conferences}\n  conferences and come from"
        f" at least {at.networks} networks.\n"
        "- *Mostly bad*, for few conferences. Over half of the calls are bad on average. In"
        f" {at.nearly_all:.0%} of\n  the conferences at least half are bad; if there are only two"
        " or three conferences, over half\n  in each. It has at least"
        f" {at.small_conferences} conferences and {at.small_people} participants whose state is"
        " known.\n  The bad calls do not all come from one network."
    )


def _scopes() -> list[tuple[str, str]]:
    """Return each scope, and the condition for standing out."""
    at = THRESHOLDS
    return [
        (
            "`fleet`",
            (
                f"the average share of bad calls is over {at.share:.0%} in at least"
                f" {at.fleet_conferences} conferences, even without the worst bridge or region. The"
                " rest is then at least half as bad as that bridge or region. Or only one bridge"
                " exists, and the fleet is mostly bad"
            ),
        ),
        (
            "`region`",
            (
                "all its bridges are bad, at least two. Or it is far worse than the rest, or mostly"
                f" bad in at least {at.conferences} conferences and from at least {at.networks}"
                " networks; and without its worst bridge it is still at least half as bad as that"
                " bridge. A region with one bridge never stands out: the bridge does"
            ),
        ),
        ("`bridge`", "it is far worse than the rest, or mostly bad; and other bridges exist"),
        ("`relay`, `browser`", "it is far worse than the rest, whatever else stands out"),
        (
            "`conference`",
            (
                f"at least {at.conference_bad} participants have bad calls, and they are over"
                f" {at.conference_share:.0%} of those whose state is known. At least"
                f" {at.reporting:.0%} of the participants push. No fleet, region or bridge that"
                " contains the conference stands out"
            ),
        ),
        (
            "`sender`",
            "others receive this participant badly, and its own way up or computer is bad",
        ),
        ("`participant`", "none of these applies"),
    ]


def verdict_page() -> str:
    """Return docs/verdict.md, made from the rules."""

    def limit(value: float, *, is_below: bool) -> str:
        if value == inf:
            return "never alone"
        return f"{'under' if is_below else 'over'} {value:g}"

    symptoms = [
        (
            f"`{each.field}`" + (f", {each.when}" if each.when else ""),
            each.kind,
            limit(each.fair, is_below=each.is_below),
            limit(each.bad, is_below=each.is_below),
            each.source,
        )
        for each in verdict_rules.symptoms()
    ]
    causes = [
        (f"`{each.word}`", each.kind or "any network symptom", each.evidence, each.brief)
        for each in verdict_rules.CAUSES
    ]
    return page(
        "The verdict",
        "Read here what the service means by a good, fair or bad call, what it blames for a bad\n"
        "call, and when it is wrong.",
        "```promql\ncount by (cause, scope) (jitsi_jcmc_verdict)\n```",
        "This query counts the calls that are not good now, by cause and scope. The service\n"
        "judges the call of each participant: `jitsi_jcmc_verdict_state` is 0 (good), 1 (fair)\n"
        'or 2 (bad), and absent if the state is not known. `jitsi_jcmc_verdict{cause="…"}` is 1\n'
        "for each participant whose call is not good.",
        "![Where each cause is: uplink before the bridge, downlink behind it, device at both"
        " ends](pictures/verdict.svg)",
        "State and cause are of the last push alone. The service works them out once, when it\n"
        "takes the push.",
        "## State: would a person complain?",
        "The worst symptom decides. Between the two thresholds the call is fair.",
        table(("symptom", "kind", "fair", "bad", "source of the threshold"), symptoms),
        "- A call is bad if its statistics have stopped while other participants are in the\n"
        "  conference: the page has had none for longer than an interval. A page that only says\n"
        "  that its connection was interrupted says nothing about the state.\n"
        "- A call is good if it has no symptom and enough is known: a round trip, loss on the\n"
        "  way down, and either that something arrives or that both outages are 0.\n"
        "- All other calls are unknown: a participant is alone, a page reports too little, or the\n"
        "  call is in its first seconds.",
        "## Cause: the symptom chooses",
        "The symptom's kind chooses the causes that may explain it. The first cause with\n"
        "evidence counts. The order is that of the table, but the service asks for `received`\n"
        "before `downlink`, and for `path` before late timers. If no cause has evidence, the\n"
        "cause is `unknown`.",
        table(("cause", "explains", "evidence", "means"), causes),
        "## Scope: how far it reaches",
        "Every ten seconds one of the replicas looks at all participants, and finds what stands\n"
        "out: the fleet, a region, a bridge, a TURN server (`relay`), a browser version, a\n"
        "conference or a sender. It writes this into a journal in Redis, which all replicas\n"
        "read and which is kept for as long as history.",
        "- The label `scope` of `jitsi_jcmc_verdict` is the widest of these that the\n"
        "  participant belongs to.\n"
        "- `jitsi_jcmc_standing_out` has one series for each thing that stands out;\n"
        "  `jitsi_jcmc_standing_out_since_seconds` is its onset.\n"
        "- Scope `unknown` means that no look has succeeded for half a minute. Then\n"
        "  `otel_jcmc_standing_known` is 0.",
        _rules(),
        table(("scope", "stands out when"), _scopes()),
        "- The wider scope wins. While the fleet stands out, no region or bridge does. While a\n"
        "  region stands out, none of its bridges does.\n"
        "- Only participants on a bridge whose state is known count. They count as bad by\n"
        "  `outage`, `uplink`, `downlink`, `path`, or `downlink_or_received` that stays open. A\n"
        "  slow computer is never the fault of others.\n"
        "- The unit is the conference with its share of bad calls, because a bad conference is\n"
        "  one event: forty participants in one bad conference do not make a bad bridge.\n"
        "- The page names the bridge that it uses. So that invented conferences cannot blame a\n"
        "  bridge, the bad calls must come from several networks (the first 24 bits of an\n"
        "  address, 48 for IPv6). Redis holds a short keyed hash of each network.\n"
        "- A page of the original names no bridge. It counts on the bridge that all others of\n"
        "  its conference name. If one of them has no bridge, it counts nowhere: a direct call\n"
        "  has two participants.\n"
        "- In an outage no transport is known. A page of ours says whether the call was direct.\n"
        "- If one or two looks do not find a thing again, it has not ended yet: a push may be\n"
        "  late.",
        "## One received stream",
        "A bridge forwards a stream with the gaps that it arrived with. A participant who\n"
        "receives a single stream cannot know which way loses the packets, the way from the\n"
        "bridge or the sender's way: the cause is `downlink_or_received`. The next look settles\n"
        "it by what the sender said of its own way up in the last half minute, or by other\n"
        "participants who receive the same stream. If neither helps, the cause stays\n"
        "`downlink_or_received`.",
        "## What each kind of page reports",
        table(("page", "what it lacks", "possible states"), _SENDERS),
        "## Is it right?",
        "[verdict-matrices.md](verdict-matrices.md) tries these rules on a simulated crowd\n"
        "whose truth is known. To try a running service, use `otel-jcmc simulate --story bridge\n"
        "--truth truth.jsonl`: it pushes such a crowd and writes the truth to a file. The\n"
        "stories are the causes, the scopes, `mixed` and `quiet`. Bridges have names if\n"
        "`JCMC_BRIDGES` names them: `jvb-eu-west-1=jvb-1`.",
        "## When it is wrong",
        "- A push that is older than two of its intervals has no state: a good call may have\n"
        "  become bad. The exceptions are a participant's first push, and pages that do not say\n"
        "  their interval: the service knows that these are late only when their series end.\n"
        "- The other side reports loss on the way up every 5 seconds. With a sample every 2\n"
        "  seconds, two pushes in five know of the loss, and a push in between may be good.\n"
        "- In the first seconds of an outage no number shows the outage. The state is unknown;\n"
        "  or, after the statistics have stopped for an interval, bad with cause unknown.\n"
        "- If one of several senders is bad, a page of the original reports only the mean of all\n"
        "  streams, in whole percent. That is usually too little for fair.\n"
        "- For two participants without a bridge the service cannot know whose network is bad:\n"
        "  `pair`.\n"
        "- The service finds a slow computer if the page measures how long it waits for the\n"
        "  CPU. Hidden pages, pages that have just joined and pages of the original do not\n"
        "  measure it. A page that waits less than 10 ms at a time never has cause `device` for\n"
        "  its timers; its call is judged by what the participant hears and sees.\n"
        "- Jitter is measured at the last moment before the push, the round trip over the whole\n"
        "  interval. So jitter counts only if the round trip makes it possible: a way with a\n"
        "  round trip of 2 ms cannot have a jitter of 36 ms.",
        "## Sound",
        "`audio_mos` is our own estimate, in the form of ITU-T G.107. We chose its constants\n"
        "for Opus: 20 % of made-up sound costs half of what loss can cost at most, and devices\n"
        "add 40 ms. Compare it only with itself.",
    )
