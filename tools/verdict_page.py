"""Makes docs/verdict.md from the verdict's rules."""

from math import inf
from typing import Final

from otel_jcmc.verdict import rules as verdict_rules
from otel_jcmc.verdict.standing import THRESHOLDS
from tools.markdown import page, table

# For each kind of page: its name, the values that it does not send, and the states it can have.
_SENDERS: Final = (
    ("`otel_jcmc` in Chromium", "nothing", "every state"),
    (
        "`otel_jcmc` in Firefox",
        "`outage_up`, `limitation_*`, the available bandwidth",
        "every state; loss is the only symptom of sent media",
    ),
    (
        "`otel_jcmc` in Safari",
        "freezes in older versions, `limitation_*`",
        "every state; the service notices fewer bad pictures",
    ),
    ("a call without video", "metrics of the picture", "every state"),
    ("a participant who is alone, or gets no media from others", "received media", "unknown"),
    (
        "`original`",
        "loss up (it is always 0), outages, metrics of sound and picture",
        (
            "good; fair or bad by loss down or the round trip; unknown in an outage, because its"
            " numbers do not change then"
        ),
    ),
    (
        "`jmmc`",
        "the round trip, outages, metrics of sound and picture; it sends only changes",
        "all but good; the service ignores a value that is not in the last two pushes",
    ),
)


def _rules() -> str:
    """Return the two rules that the table of scopes names."""
    at = THRESHOLDS
    return (
        "Two rules say when a thing is bad:\n\n"
        f"- *Far worse than the rest.* The average share of bad calls in its conferences is over"
        f" {at.share:.0%},\n  and over {at.times:g} times the average share of all other"
        " conferences. The lower end of Wilson's\n  confidence interval"
        f" (z = {at.z:g}) must be above both bounds, also if the worst conference is left\n  out."
        f" The bad calls are in at least {at.conferences} conferences and come from at least"
        f" {at.networks} networks.\n"
        "- *Mostly bad*, for a thing with few conferences. On average, over half of the calls of a"
        "\n  conference are bad. In at least"
        f" {at.nearly_all:.0%} of the conferences, at least half of the calls are\n  bad; if the"
        " thing has only two or three conferences, over half of the calls in each of them.\n  The"
        f" thing has at least {at.small_conferences} conferences and {at.small_people}"
        " participants whose state is known. The bad\n  calls come from more than one network."
    )


def _scopes() -> list[tuple[str, str]]:
    """Return each scope, and the condition for standing out."""
    at = THRESHOLDS
    return [
        (
            "`fleet`",
            (
                f"the average share of bad calls is over {at.share:.0%} in at least"
                f" {at.fleet_conferences} conferences, also if the worst bridge or region is left"
                " out. The remaining fleet is then at least half as bad as that bridge or region."
                " Or only one bridge exists, and the fleet is mostly bad"
            ),
        ),
        (
            "`region`",
            (
                "it has at least two bridges, and all of them are bad. Or the region is far worse"
                f" than the rest, or mostly bad with bad calls in at least {at.conferences}"
                f" conferences and from at least {at.networks} networks; and its other bridges"
                " together are at least half as bad as its worst bridge. A region with only one"
                " bridge never stands out; the bridge stands out instead"
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
            (
                "other participants receive this participant's media badly, and this participant's"
                " own way up or computer is bad"
            ),
        ),
        ("`participant`", "no wider scope applies: the call is bad for this participant alone"),
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
        "State and cause depend only on the participant's last push. The service determines them\n"
        "once, when it receives the push.",
        "## State: would a person complain?",
        "The worst symptom decides. If the value of a symptom is between the two thresholds, the\n"
        "call is fair. *Never alone*: this symptom alone never makes a call bad.",
        table(("symptom", "kind", "fair", "bad", "source of the threshold"), symptoms),
        "- A call is bad if its statistics have stopped while other participants are in the\n"
        "  conference. Statistics have stopped if the page got its newest statistics longer ago\n"
        "  than the interval at which it pushes. If a page only reports that its connection was\n"
        "  interrupted, the state is unknown.\n"
        "- A call is good if it has no symptom and three things are known: a round trip, the loss\n"
        "  on the way down, and either that something arrives or that both outages are 0.\n"
        "- The state of all other calls is unknown: for example, a participant is alone, a page\n"
        "  reports too little, or the call is in its first seconds.",
        "## Cause: the symptom chooses",
        "Each kind of symptom has its own possible causes: the column *explains* of the table\n"
        "below says which. The service checks these causes in the order of the table and takes\n"
        "the first cause with evidence. There are two exceptions: the service checks `received`\n"
        "before `downlink`, and `path` before late timers. If no cause has evidence, the cause is\n"
        "`unknown`.",
        table(("cause", "explains", "evidence", "means"), causes),
        "## Scope: how far it reaches",
        "Every ten seconds one replica looks at all participants (a *look*) and finds the things\n"
        "that stand out, that is, have unusually many bad calls. A thing is the fleet, a region,\n"
        "a bridge, a TURN server (`relay`), a browser version, a conference or a sender. The\n"
        "replica writes the result into a journal in Redis. All replicas read this journal, and\n"
        "Redis keeps it for as long as history.",
        "- The label `scope` of `jitsi_jcmc_verdict` is the widest thing that stands out and that\n"
        "  the participant belongs to.\n"
        "- `jitsi_jcmc_standing_out` has one series for each thing that stands out;\n"
        "  `jitsi_jcmc_standing_out_since_seconds` is the time since when it stands out.\n"
        "- Scope `unknown` means that for half a minute no look has succeeded. The metric\n"
        "  `otel_jcmc_standing_known` is then 0.",
        _rules(),
        table(("scope", "stands out when"), _scopes()),
        "- The wider scope wins. While the fleet stands out, no region or bridge does. While a\n"
        "  region stands out, none of its bridges does.\n"
        "- A look counts only participants that are on a bridge and whose state is known. It\n"
        "  counts a call as bad only if the cause is `outage`, `uplink`, `downlink`, `path`, or a\n"
        "  `downlink_or_received` that stays undecided. It does not count a slow computer\n"
        "  (`device`), because no other participant can cause it.\n"
        "- Each conference counts once, with its share of bad calls, because a bad conference is\n"
        "  one event: forty participants in one bad conference do not make a bad bridge.\n"
        "- A participant's page tells the service which bridge it uses. An attacker could invent\n"
        "  conferences to blame a bridge. Therefore the bad calls must come from several\n"
        "  networks: from addresses that differ in the first 24 bits, or 48 bits for IPv6. Redis\n"
        "  holds a short keyed hash of each network.\n"
        "- A page with the client of the original (JCMC) names no bridge. If all other pages of\n"
        "  its conference name the same bridge, the look counts the participant on that bridge.\n"
        "  If one of the other pages has no bridge, the look does not count the participant: the\n"
        "  call may be direct, between two participants.\n"
        "- In an outage no transport is known. A page of `otel_jcmc` still reports whether the\n"
        "  call is direct.\n"
        "- A thing that stands out continues to stand out if one or two later looks do not find\n"
        "  it, because a push may be late.",
        "## One received stream",
        "If packets are lost between a sender and the bridge, the bridge forwards the stream with\n"
        "these gaps. A participant who receives only one stream cannot know where packets were\n"
        "lost: on the way from the sender to the bridge, or on the way from the bridge. The cause\n"
        "is then `downlink_or_received`. The next look decides which of\n"
        "these two ways lost the packets. It uses the loss on the way up that the sender reported\n"
        "in the last half minute, or the loss of other participants who receive the same stream.\n"
        "If the look has neither of these losses, the cause stays `downlink_or_received`.",
        "## What each kind of page reports",
        table(("page", "values that it does not send", "possible states"), _SENDERS),
        "## Is it right?",
        "[verdict-matrices.md](verdict-matrices.md) shows how often these rules are right for\n"
        "simulated participants whose true state and cause are known. To try a running service,\n"
        "use `otel-jcmc simulate --story bridge --truth truth.jsonl`: it pushes for simulated\n"
        "participants and writes their true states and causes to a file. A story is the name of a\n"
        "cause or of a scope, `mixed` or `quiet`. To see names of the simulated bridges, set for\n"
        "example `JCMC_BRIDGES=jvb-eu-west-1=jvb-1`.",
        "## When it is wrong",
        "- If a participant's last push is older than two push intervals of the participant's\n"
        "  page, the state is unknown: a good call may have become bad. If a page does not send\n"
        "  its interval, the state stays until the participant expires. If a page has a long\n"
        "  interval, the state may become unknown too early after the first push, because Redis\n"
        "  keeps a first push for a shorter time than later pushes.\n"
        "- The receiver of the media reports loss on the way up only every 5 seconds. If a page\n"
        "  pushes every 2 seconds, two of five pushes contain the loss; the other pushes may be\n"
        "  good.\n"
        "- In the first seconds of an outage no number shows the outage. The state is then\n"
        "  unknown. If the statistics have stopped for longer than one push interval, the state\n"
        "  is bad and the cause is `unknown`.\n"
        "- If the stream of only one of several senders loses packets, a page of the original\n"
        "  reports the mean loss of all streams, in whole percent. This mean is usually below the\n"
        "  threshold of fair.\n"
        "- In a call of two participants without a bridge, the service cannot know whose network\n"
        "  is bad: the cause is then `pair`.\n"
        "- The service finds a slow computer if the page measures how long it waits for the CPU.\n"
        "  Hidden pages, pages that have just joined and pages of the original do not measure it.\n"
        "  If the timers of a page are less than 10 ms late, they never lead to the cause\n"
        "  `device`. The service then judges the call by sound and picture alone.\n"
        "- The page measures jitter at the moment of the push, and the round trip over the whole\n"
        "  interval. Jitter counts only if the round trip makes it possible: a path with a round\n"
        "  trip of 2 ms cannot have a jitter of 36 ms.",
        "## Sound",
        "`audio_mos` is our own estimate, in the form of ITU-T G.107. We chose its constants\n"
        "for Opus. Made-up sound lowers the estimate by at most a certain amount: 20 % of made-up\n"
        "sound lowers it by half of this amount. The estimate assumes 40 ms of delay in the\n"
        "devices. Compare `audio_mos` only with other values of `audio_mos`.",
    )
