"""Makes docs/verdict.md from the verdict's rules."""

from math import inf
from typing import Final

from otel_jcmc.verdict import rules as verdict_rules
from otel_jcmc.verdict.standing import THRESHOLDS
from tools.markdown import page, table

# Kind of page, the evidence that it does not report, and the result.
_SENDERS: Final = (
    ("`otel_jcmc` in Chromium", "nothing", "every state"),
    (
        "`otel_jcmc` in Firefox",
        "`outage_up`, limits, the bandwidth",
        "every state; sent media only by loss",
    ),
    (
        "`otel_jcmc` in Safari",
        "freezes of older versions, limits",
        "every state; fewer bad pictures",
    ),
    ("audio only", "all figures of the picture", "every state"),
    ("alone, or no other participant sends", "what arrives", "unknown"),
    (
        "`original`",
        "loss up (always 0), outages, sound and picture",
        (
            "good, and bad by loss down or the round trip; unknown in an outage, because its"
            " numbers stand still"
        ),
    ),
    (
        "`jmmc`",
        "the round trip, outages, sound and picture; it reports only changes",
        "never good; values older than two pushes no longer count",
    ),
)


def _scopes() -> list[tuple[str, str]]:
    """Return each scope, and the condition for standing out."""
    at = THRESHOLDS
    apart = (
        f"its conferences' mean share of bad participants is over {at.share:.0%} and {at.times:g}"
        f" times that of all others, by the lower end of Wilson's interval (z = {at.z:g}), also"
        f" without its worst conference; in at least {at.conferences} conferences and from at least"
        f" {at.networks} networks"
    )
    few = (
        f"in a few conferences most participants are bad, and in {at.nearly_all:.0%} of the"
        " conferences at least half (most in each of two or three): at least"
        f" {at.small_conferences} conferences and {at.small_people} participants"
    )
    return [
        (
            "`fleet`",
            (
                f"the mean share of bad participants of all conferences is over {at.share:.0%}, in"
                f" at least {at.fleet_conferences} conferences, also without the worst region and"
                " without the worst bridge; the rest must be at least half as bad as that one"
            ),
        ),
        (
            "`region`",
            (
                f"{apart}. Or most participants are bad in at least {at.conferences} conferences,"
                f" as for a bridge of few conferences, from {at.networks} networks. The worst"
                " bridge alone is not enough: the rest of the region must be at least half as bad"
                " as that bridge"
            ),
        ),
        ("`bridge`", f"{apart}. Or {few}. With only one bridge the fleet stands out instead"),
        ("`relay`, `browser`", f"{apart}; in addition to the other scopes"),
        (
            "`conference`",
            (
                f"at least {at.conference_bad} participants are bad, and over"
                f" {at.conference_share:.0%} of the known ones; {at.reporting:.0%} of the"
                " conference report; no wider scope that contains it stands out"
            ),
        ),
        (
            "`sender`",
            "others receive badly what one participant sends, whose uplink or computer is bad",
        ),
        ("`participant`", "no wider scope stands out"),
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
        (f"`{each.word}`", each.kind or "any, of the network", each.evidence, each.brief)
        for each in verdict_rules.CAUSES
    ]
    return page(
        "The verdict",
        "The verdict tells for each participant whether the call is good, fair or bad, and why.\n"
        "`jitsi_jcmc_verdict_state` is 0, 1 or 2, and absent if the state is unknown;\n"
        '`jitsi_jcmc_verdict{cause="…"}` is 1 for each participant whose call is not good. This\n'
        "query counts the calls that are not good:",
        "```promql\ncount by (cause, scope) (jitsi_jcmc_verdict)\n```",
        "![Where each cause is: uplink before the bridge, downlink behind it, device at both"
        " ends](pictures/verdict.svg)",
        "State and cause use the last push alone. The service computes them once, when it accepts\n"
        "the push.",
        "## State: would a person complain?",
        "The worst symptom decides. Between the two thresholds the call is fair.",
        table(("symptom", "of", "fair", "bad", "threshold by"), symptoms),
        "- Bad: the statistics have stopped for longer than an interval while other\n"
        "  participants are there. If a page only reports that its connection was interrupted,\n"
        "  that alone proves nothing.\n"
        "- Good: no symptom, and the figures are known: a round trip, loss on the way down, and\n"
        "  either something arrives or both outages are 0.\n"
        "- Unknown: everything else, such as a participant alone, a page that reports too\n"
        "  little, or the first seconds.",
        "## Cause: the symptom chooses",
        "The service checks the causes of the symptom's kind in this order. The first one with\n"
        "evidence is the cause. Without evidence for any, the cause is `unknown`.",
        table(("cause", "explains", "evidence", "means"), causes),
        "## Scope: how far it reaches",
        "Every ten seconds one of the replicas looks at all participants, and writes what\n"
        "stands out into Redis, where all replicas read it. This journal is kept for as long as\n"
        "history. The label `scope` of `jitsi_jcmc_verdict` names the widest thing that stands\n"
        "out and contains the participant. `jitsi_jcmc_standing_out` has one series for each\n"
        "thing that stands out, and `jitsi_jcmc_standing_out_since_seconds` its onset. The\n"
        "scope is `unknown` if no replica has looked for half a minute;\n"
        "`otel_jcmc_standing_known` is then 0.",
        table(("scope", "stands out when"), _scopes()),
        "- Only participants on a bridge with a known state count, and as bad only those with\n"
        "  the cause `outage`, `uplink`, `downlink` or `path`. A slow computer affects no other\n"
        "  participant.\n"
        "- The unit is the conference and its share of bad participants, because a conference\n"
        "  is one event: forty participants in one bad conference do not make a bad bridge.\n"
        "- The page names the bridge that it uses. To keep invented conferences from blaming a\n"
        "  bridge, bad participants must come from several networks (the first 24 bits of an\n"
        "  address, 48 of IPv6). The service keeps only a short keyed hash of the network.\n"
        "- A page of the original names no bridge. It counts on the bridge that all other\n"
        "  participants of its conference name, and nowhere if one of them has none: a direct\n"
        "  call has two participants.\n"
        "- In an outage no transport is known. This project's client reports whether the call\n"
        "  was direct.\n"
        "- A thing that one or two looks do not find has not ended yet: a push may be late.",
        "## One received stream",
        "A bridge passes on the gaps in what it receives. A participant that receives only one\n"
        "stream cannot tell whether the way from the bridge or the sender's way loses packets:\n"
        "the cause is `downlink_or_received`. The look decides it by the sender's own report of\n"
        "its way up in the last half minute, or by others that receive the same stream. Without\n"
        "such evidence the cause stays.",
        "## How much each page reports",
        table(("page", "what it does not report", "so"), _SENDERS),
        "## Is it right?",
        "[verdict-matrices.md](verdict-matrices.md) tests these rules with a simulated crowd\n"
        "whose truth is known. To try a running service, use `otel-jcmc simulate --story bridge\n"
        "--truth truth.jsonl`: it pushes the crowd to the service and writes the truth to a\n"
        "file. The stories are the causes, the scopes, `mixed` and `quiet`. Bridges have names\n"
        "if `JCMC_BRIDGES` has them: `jvb-eu-west-1=jvb-1`.",
        "## When it is wrong",
        "- A push that is older than two of its intervals has no state, because the call may\n"
        "  have changed. Exceptions are a newcomer's first push and pages that report no\n"
        "  interval: the service knows that they are late only when their series expire.\n"
        "- The far end reports the loss on the way up every 5 seconds. With samples every 2\n"
        "  seconds, two pushes in five contain it, and one between them may be good.\n"
        "- In the first seconds of an outage no figure shows it yet: the state is unknown. Once\n"
        "  the statistics have stopped for an interval, it is bad with the cause unknown.\n"
        "- With one bad sender among several, a page of the original reports the mean of all\n"
        "  streams, in whole percent. That is mostly too little to be fair.\n"
        "- For two participants that are connected without a bridge, the service cannot tell\n"
        "  whose way is bad: the cause is `pair`.\n"
        "- A page shows a slow computer by waiting for it. This is not known for a hidden page,\n"
        "  a page that has just joined, and pages of the original. A page that waits less than\n"
        "  10 ms at a time has no `device`, but the symptoms of sound and picture.\n"
        "- Jitter is a value of the last moment before the push, the round trip one of the\n"
        "  whole interval. Jitter counts only if the round trip allows it: a way with a round\n"
        "  trip of 2 ms has no jitter of 36 ms.",
        "## Sound",
        "`audio_mos` is this service's estimate in the manner of ITU-T G.107. It uses its own\n"
        "constants for Opus: 20 % of made-up sound cost half of what loss can cost, and devices\n"
        "take 40 ms. Compare it only with itself.",
    )
