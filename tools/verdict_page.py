"""Makes docs/verdict.md of the rules as they are."""

from math import inf
from typing import Final

from otel_jcmc.verdict import rules as verdict_rules
from otel_jcmc.verdict.standing import THRESHOLDS
from tools.markdown import page, table

# Kind of page, what of the evidence it does not tell, and what follows.
_SENDERS: Final = (
    ("`otel_jcmc` in Chromium", "nothing", "every state"),
    (
        "`otel_jcmc` in Firefox",
        "`outage_up`, limits, the bandwidth",
        "every state; sent badly by loss alone",
    ),
    (
        "`otel_jcmc` in Safari",
        "freezes of older versions, limits",
        "every state; fewer pictures that are seen badly",
    ),
    ("audio only", "all of the picture", "every state"),
    ("alone, or with nobody who sends", "what arrives", "unknown"),
    (
        "`original`",
        "loss up (always 0), outages, sound and picture",
        (
            "good, and bad by loss down or the round trip; in an outage unknown, since its numbers"
            " stand still"
        ),
    ),
    (
        "`jmmc`",
        "the round trip, outages, sound and picture; it tells what has changed",
        "never good; what it told two pushes ago counts no more",
    ),
)


def _scopes() -> list[tuple[str, str]]:
    """Return each scope, and when it stands out."""
    at = THRESHOLDS
    apart = (
        f"over {at.share:.0%} of its conferences' shares, and {at.times:g} times the rest's, by"
        f" the lower end of Wilson's interval (z = {at.z:g}), also without its worst conference;"
        f" in {at.conferences} conferences and from {at.networks} networks at least"
    )
    few = (
        f"most are bad in a few rooms, and half at least in {at.nearly_all:.0%} of them (most in"
        f" each of two or three): {at.small_conferences} conferences and {at.small_people} people"
        " at least"
    )
    return [
        (
            "`fleet`",
            (
                f"over {at.share:.0%} of all conferences' shares, in {at.fleet_conferences} at"
                " least, also without its worst bridge and region, and then half as bad as that"
            ),
        ),
        (
            "`region`",
            (
                f"{apart}. Or most are bad in {at.conferences} conferences at least, as of a bridge"
                f" of few rooms, from {at.networks} networks. And not by its worst bridge alone:"
                " without that it is half as bad"
            ),
        ),
        ("`bridge`", f"{apart}. Or {few}; where there is one bridge that is the fleet"),
        ("`relay`, `browser`", f"{apart}; beside the others"),
        (
            "`conference`",
            (
                f"{at.conference_bad} bad at least, and over {at.conference_share:.0%} of those"
                f" known; {at.reporting:.0%} of the room report; nothing wider that it is in"
                " stands out"
            ),
        ),
        ("`sender`", "what others receive badly is somebody's whose way up, or computer, is bad"),
        ("`participant`", "none of these"),
    ]


def verdict_page() -> str:
    """Return docs/verdict.md, of the rules as they are."""

    def limit(value: float, *, is_below: bool) -> str:
        if value == inf:
            return "never by itself"
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
        (f"`{each.word}`", each.kind or "any of the network", each.evidence, each.brief)
        for each in verdict_rules.CAUSES
    ]
    return page(
        "The verdict",
        "Of each participant the service says whether the call is good, fair or bad, and what\n"
        "explains it: `jitsi_jcmc_verdict_state` is 0, 1 or 2, and absent where nobody can know;\n"
        '`jitsi_jcmc_verdict{cause="…"}` is 1 for those whose call is not good.',
        "![Where each cause is: uplink before the bridge, downlink behind it, device at both"
        " ends](pictures/verdict.svg)",
        "```promql\ncount by (cause, scope) (jitsi_jcmc_verdict)\n```",
        "Both are of the last push alone, and are worked out once, when it is taken.",
        "## State: would a person complain?",
        "The worst symptom decides. Between the two thresholds the call is fair.",
        table(("symptom", "of", "fair", "bad", "threshold by"), symptoms),
        "- Statistics that have stopped while others are there are bad: none for longer than an\n"
        "  interval. A page that only says that its connection was interrupted tells nothing.\n"
        "- Good is what has none of these and is known: a round trip, loss on the way down, and\n"
        "  either something arrives or both outages are 0.\n"
        "- All else is unknown: who is alone, whose page tells too little, the first seconds.",
        "## Cause: the symptom chooses",
        "The causes of the symptom's kind are asked in this order; the first with evidence is it.\n"
        "Where none has, the cause is `unknown`.",
        table(("cause", "explains", "evidence", "means"), causes),
        "## Scope: how far it reaches",
        "Every ten seconds one of the replicas looks at everybody, and writes what stands out\n"
        "into Redis, where all replicas read it: a journal that is kept for as long as history.\n"
        "The label `scope` of `jitsi_jcmc_verdict` says of how much that stands out a participant\n"
        "is a part; `jitsi_jcmc_standing_out` has one series for each thing that does, and\n"
        "`jitsi_jcmc_standing_out_since_seconds` its onset. `unknown`: nobody has looked\n"
        "for half a minute; `otel_jcmc_standing_known` is 0 then.",
        table(("scope", "stands out when"), _scopes()),
        "- Only participants by a bridge count, whose state is known, and who are bad by\n"
        "  `outage`, `uplink`, `downlink` or `path`. A slow computer is nobody else's.\n"
        "- The unit is the conference and its share of bad, since a room is one event: forty\n"
        "  people in one bad room are no bad bridge.\n"
        "- A bridge is named by the page that uses it. So that made-up rooms frame nobody, those\n"
        "  who are bad have to come from several networks (an address's first 24 bits, 48 of\n"
        "  IPv6), of which a short hash with a key is kept.\n"
        "- A page of the original tells no bridge. It counts on the one that all others of its\n"
        "  conference tell, and nowhere if one of them has none: a direct call has two people.\n"
        "- In an outage no transport is known. A page of ours says whether the call was direct.\n"
        "- What a look or two does not find has not ended yet: a push may be late.",
        "## One received stream",
        "A bridge passes on what is missing in what it gets. A participant who gets one stream\n"
        "alone cannot tell whether the way from the bridge loses packets or the sender's way:\n"
        "`downlink_or_received`. The look settles it by what the sender says of its own way up,\n"
        "in the last half minute, or by others who get the same. Where nobody can tell, the word\n"
        "stays.",
        "## Who tells how much",
        table(("page", "what it lacks", "so"), _SENDERS),
        "## Is it right?",
        "[verdict-matrices.md](verdict-matrices.md) tells a crowd whose truth is known to these\n"
        "rules. `otel-jcmc simulate --story bridge --truth truth.jsonl` tells it to a running\n"
        "service, and what is true to a file; the stories are the causes, the scopes, `mixed` and\n"
        "`quiet`. Bridges are named where `JCMC_BRIDGES` names them: `jvb-eu-west-1=jvb-1`.",
        "## When it is wrong",
        "- A push that is older than two of its intervals has no state: what was good may not be\n"
        "  so by now. The first push of a newcomer and pages that tell no interval are the\n"
        "  exception: they are only known to be late when their series go.\n"
        "- Loss on the way up is told by the other side, every 5 seconds. With samples every 2\n"
        "  seconds two pushes in five know of it, and one between may be good.\n"
        "- In the first seconds of an outage no number says yet what it is: unknown, or, once the\n"
        "  statistics have stopped for an interval, bad, cause unknown.\n"
        "- Of one bad sender of several a page of the original tells the mean of all streams, in\n"
        "  whole percent: mostly too little to be fair.\n"
        "- Of two who are connected without a bridge nobody can tell whose way it is: `pair`.\n"
        "- A computer is found out by a page that waits for it. Of a hidden page, of one that has\n"
        "  just joined and of pages of the original that is not known; and who waits less than\n"
        "  10 ms at a time has no `device`, but what he sees and hears.\n"
        "- Jitter is that of the last moment before the push. It counts where the round trip,\n"
        "  which is of the whole time, can have it: a way with a round trip of 2 ms has no jitter\n"
        "  of 36.",
        "## Sound",
        "`audio_mos` is an estimate of ours in the manner of ITU-T G.107, with constants of our\n"
        "choosing for Opus: that 20 % of made-up sound cost half of what loss can cost, and that\n"
        "devices take 40 ms. Compare it with itself.",
    )
