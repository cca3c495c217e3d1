"""
Writes all files that are derived from the catalogue, the settings and the reasons.

`python -m tools.generate` rewrites docs/metrics.md, docs/browsers.md, docs/settings.md,
docs/reasons.md, docs/verdict.md, docs/rooms.md, docs/sizing.md, docs/scaling.md,
docs/pictures/rooms.svg, road.svg and verdict.svg there, .env.example, client/parts/fields.js,
client/served, Grafana's dashboards and otel_jcmc/doctor/shipped.json. With `--check` it writes
nothing, and exits 1 if a file differs from the text that it would write.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from otel_jcmc.catalogue.attributes import ATTRIBUTES, SESSION
from otel_jcmc.catalogue.fleet import histograms
from otel_jcmc.catalogue.levels import FAMILIES, OTEL_LABELS, Label
from otel_jcmc.catalogue.metrics import (
    INFO_BRIEF,
    INFO_FIELD,
    INFO_NAME,
    METRICS,
    OWN,
    PUSHED,
    ROLE_BRIEF,
    ROLE_NAME,
    ROOM,
)
from otel_jcmc.catalogue.own import OWN_METRICS
from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.catalogue.rows import OWN_MEMBERS, STREAMS, Attribute, Kind, Naming, Scope
from otel_jcmc.config.settings import GROUPS, Settings, in_order, names_of, to_text
from otel_jcmc.config.sources import is_secret
from otel_jcmc.metrics.prometheus import label_name, metric_name
from otel_jcmc.web.client import FILE_NAME, JMMC_FILE_NAME, source_with_placeholder
from tools import dashboards
from tools.browser_support import (
    COLUMNS,
    MemberUnknown,
    member_cells,
    read_support,
    support_row,
)
from tools.house import rooms_page, rooms_picture
from tools.markdown import NOTE, page, table
from tools.scaling_page import scaling_page
from tools.shipped import shipped
from tools.sizing_page import sizing_page
from tools.sketches import road_picture, verdict_picture
from tools.verdict_page import verdict_page

_PICTURE: Final = (
    "Use this page to find the file that does something. Each room is a package of\n"
    "`otel_jcmc/`. A room stands above the rooms that it imports from. Arrows show imports,\n"
    "except those that a longer way already implies.\n\n![The rooms](pictures/rooms.svg)"
)
_ROOT: Final = Path(__file__).parent.parent
_DASHBOARDS: Final = _ROOT / "collector-config" / "grafana" / "dashboards"
_RULES: Final = _ROOT / "collector-config" / "rules"
_TERSER: Final = _ROOT / "node_modules" / ".bin" / "terser"


_NOT_SAID: Final = """\
- `connectionquality` is the library's estimate. The library only compares the sent bitrate with a
  target for the picture's size. In peer-to-peer calls the estimate stayed at 100 in each of these
  cases: 10 % loss, a limit of 300 kbit/s, 100 ms more delay each way, and a dead link. After an
  interruption it rises by at most 2 points a second, so it is still low a minute after the call is
  good again.
- `bandwidth_upload` is the browser's estimate as the library last read it. The client reads the
  same estimate in each sample and sends it as `bandwidth_available_upload`. On a dead link
  `bandwidth_upload` does not change until the library reads a new value: use
  `bandwidth_available_upload`.
- `limitation_bandwidth` is the reason that the browser gives. It is often 100 although nothing is
  wrong. Example: a camera of 360 lines used 526 kbit/s while 967 kbit/s were available. The network
  really limits a picture only if two more things are true: `bandwidth_available_upload` is near the
  sent bitrate (`bitrate_upload`), and `resolution_height_upload` is below
  `resolution_height_wanted`, or `framerate_upload` is low.
- `round_trip_time` is the mean of the connectivity checks that were answered in an interval. There
  is one check every 2.5 s, so an interval of 2 s may have no check; the metric is then absent.
  `transport_rtt` is the round trip of a single check, as the library reports it.
- With only one received stream, `packetloss_download_best` and `packetloss_download_worst` are
  equal. If fewer than 20 packets should have arrived in the interval, the client divides the lost
  packets by 20, so one lost packet is a loss of 5 %.
- `ice_restarts` counts new ICE user names, so it counts only restarts. `path_changes` counts all
  changes of the candidate pair, with or without a restart, such as from Wi-Fi to a cable."""

_BOUNDS: Final = """\
The table has the bounds of the buckets in the unit of the `jcmc` naming. In the `otel`
naming they are ratios and seconds. The values of `JCMC_BAD_PACKET_LOSS` and
`JCMC_BAD_ROUND_TRIP`, and half of each value, are always bounds. The first of these
queries gives the round trip that 95 of 100 pushes do not exceed. The second gives the
share of pushes in which the loss of received packets is bad:"""
_COUNTED: Final = """\
- A value that a push does not report is not counted, even if an earlier push of the page
  reported it.
- A page of the original always reports 0 for the loss of sent packets, so the service does
  not count this value. It counts the loss of received packets and the round trip of such a
  page only while something arrives at the page.
- Each push during an outage is counted. If a page knows the outage of only one direction,
  the service counts that direction.
- The service counts pushes, not seconds: a page that pushes every 2 s counts five times as
  often as a page that pushes every 10 s."""


def metrics_page() -> str:
    """Return docs/metrics.md."""
    prefix = Settings.model_fields["metrics_prefix"].default
    jcmc = [
        (f"`{prefix}{row.field}`", row.unit, f"{row.minimum} to {row.maximum:,}", row.brief)
        for row in METRICS
    ]
    jcmc.append((f"`{prefix}{INFO_FIELD}`", "", "1", INFO_BRIEF))
    role = (f"`{prefix}{ROLE_NAME}`", "", "1", ROLE_BRIEF)
    otel = [
        (
            f"`{row.field}`",
            f"`{row.otel_name}`",
            f"`{row.otel_unit}`",
            f"`{metric_name(row.otel_name, row.otel_unit)}`",
            ", ".join(f'`{label_name(name)}="{value}"`' for name, value in row.otel_attributes),
        )
        for row in METRICS
    ]
    info = ("", f"`{INFO_NAME}`", "", f"`{metric_name(INFO_NAME, '')}`", INFO_BRIEF)
    own = [
        (
            f"`{row.prometheus_name}`",
            row.kind,
            ", ".join(f"`{label}`" for label in row.labels),
            row.brief,
        )
        for row in OWN_METRICS
    ]
    return page(
        "Metrics",
        "This page lists every series: what it means, its unit and its labels. A participant has\n"
        "one series for each metric in its last push, with the participant's labels. When a\n"
        "participant leaves, is replaced or expires, its series are absent from the next\n"
        "collection on. If a value is not known, its series is absent, never zero.",
        "[browsers.md](browsers.md) shows which browser can report which metric.",
        "## `JCMC_NAMING=jcmc`, the default",
        "These are the names and units of the Jitsi Client Metrics Collector. In OTLP the unit\n"
        "is empty, so that a Collector adds nothing to the names.",
        table(("series", "unit", "bounds", "meaning"), [*jcmc, role]),
        _attribute_table(Naming.JCMC),
        "If a participant changes the codec or mutes, only the labels of the series `info`\n"
        "change. This query gives the quality by codec:",
        "```promql\n"
        "avg by (video_codec) (\n"
        f"  {prefix}connectionquality * on (roomname, client_id, participant_id)\n"
        f"    group_left (video_codec) {prefix}info\n"
        ")\n"
        "```",
        "### What these metrics do not show",
        _NOT_SAID,
        "## `JCMC_NAMING=otel`",
        "This naming has names by OpenTelemetry's conventions, base units, and attributes for the\n"
        "direction and the kind of media. The Prometheus names are the same in a scrape and\n"
        "through a Collector.",
        table(("field of the push", "name", "unit", "in Prometheus", "and"), [*otel, info]),
        _attribute_table(Naming.OTEL),
        "## Series of more than one participant",
        "Scrape `/metrics/verdicts` for these series alone, or `/metrics` for all series.\n"
        "`JCMC_SERIES` chooses the levels. Settings limit the number of conferences, bridges and\n"
        "regions that have series of their own; all others are counted together as `other`.",
        _levels_table(prefix),
        *_fleet(prefix),
        "## The service's own metrics",
        "These metrics have the same names in both namings, in a scrape and by OTLP.",
        table(("series", "type", "labels", "meaning"), own),
        "[reasons.md](reasons.md) explains the reasons.",
    )


def _fleet(prefix: str) -> list[str]:
    """Return the part of docs/metrics.md about the fleet's histograms."""
    rows = [
        (
            f"`{prefix}{row.field}`",
            row.metric.unit,
            f"`{metric_name(row.otel_name, row.metric.otel_unit)}`",
            ", ".join(f'`{label_name(name)}="{value}"`' for name, value in row.otel_attributes),
            ", ".join(f"{bound:,}" for bound in row.bounds),
            row.brief,
        )
        for row in histograms()
    ]
    otel_region = label_name(OTEL_LABELS[Label.REGION])
    head = ("series", "unit", "in the `otel` naming", "and", "buckets up to", "meaning")
    told = (
        "A histogram shows the distribution of the pushes that a process has stored since its\n"
        "start. It has `_bucket`, `_sum` and `_count` for each region of a bridge, in the label\n"
        f"`{Label.REGION}` (`{otel_region}` in the `otel` naming). If the page sends no region,\n"
        "the label is absent; regions beyond `JCMC_SERIES_REGIONS` have the label `other`. Like\n"
        "the service's own metrics, histograms belong to one replica: each replica counts the\n"
        "pushes that it has stored. The service exports histograms with its own metrics; by OTLP\n"
        "they are always cumulative. `JCMC_SERIES` must contain `histograms`."
    )
    query = (
        "```promql\n"
        f"histogram_quantile(0.95, sum by (le, {Label.REGION}) (\n"
        f"  rate({prefix}fleet_round_trip_time_bucket[5m])\n"
        "))\n"
        f'1 - sum(rate({prefix}fleet_packetloss_download_bucket{{le=~"5|5.0"}}[5m]))\n'
        f"  / sum(rate({prefix}fleet_packetloss_download_count[5m]))\n"
        "```"
    )
    return ["## The histograms of the fleet", told, table(head, rows), _BOUNDS, query, _COUNTED]


def _levels_table(prefix: str) -> str:
    """Return the table of the series of more than one participant."""
    rows = [
        (
            f"`{prefix}{row.field}`",
            f"`{metric_name(row.otel_name, row.otel_unit)}`",
            row.level,
            ", ".join(f"`{label}`" for label in row.labels),
            ", ".join(f"`{label_name(OTEL_LABELS[label])}`" for label in row.labels),
            row.brief,
        )
        for row in FAMILIES
    ]
    head = ("series", "in the `otel` naming", "level", "labels", "in the `otel` naming", "meaning")
    return table(head, rows)


def browsers_page() -> str:
    """
    Return docs/browsers.md.

    Raises:
        MemberUnknown: a metric is read from a member that client/browser_support.json does not
            have.
    """
    support = read_support(_ROOT / "client" / "browser_support.json")
    columns = [head for head, _ in COLUMNS]
    metrics = [support_row(row, support) for row in PUSHED]
    besides = [
        (f"`{member}`", use, *member_cells([member], support, "the client"))
        for member, use in support.besides.items()
    ]
    sources = [f"- {name}: {text}" for name, text in support.sources.items()]
    notes = [
        f"- {', '.join(f'`{member}`' for member in members)}: {note}"
        for note, members in support.notes.items()
    ]
    return page(
        "Which metrics each browser reports",
        "Use this page to see which metrics a browser reports, and from which version on. If a\n"
        "browser does not report a metric, participants with this browser have no series of it.\n"
        "Example: Firefox does not report why it lowers the quality of the video that it sends.\n"
        "Participants with Firefox therefore have no series of `limitation_cpu`. They do not have\n"
        "a series with the value 0.",
        'In the column `made of`, "the library" is lib-jitsi-meet. All other names in this\n'
        "column are members: named values of the browser's own report (RTCStatsReport of\n"
        "webrtc-stats).",
        table(("metric", "made of", *columns), metrics),
        "`-` means that no version of the browser reports the metric. If a metric is made of\n"
        "members, the client sends the metric only if the report has all these members. Only a\n"
        "member that the client subtracts may be missing. The library needs Chrome 72,\n"
        "Firefox 91, Safari 14 or newer. If the table names an older version than these, every\n"
        "version in which the library runs reports the metric.",
        "If a name in the column `made of` begins with one of the following names, the metric\n"
        "uses only the streams that are described beside the name:",
        "\n".join(f"- `{which}`: {told}." for which, told in STREAMS.items()),
        "These members are not in the browser's report. The client computes them:",
        "\n".join(f"- `{member}`: {about.told}." for member, about in OWN_MEMBERS.items()),
        "## Members that the client reads for other purposes",
        table(("member", "purpose", *columns), besides),
        "## Which column a browser belongs to",
        "- Chrome, Edge and all other browsers made of Chromium, on desktop and Android: use the\n"
        "  first column of versions, which has Chromium's versions.\n"
        "- The Jitsi desktop app is made of Electron: use the same column. The app's user\n"
        "  agent has the version of Chromium after `Chrome/`. The label `browser_version` has\n"
        "  Electron's own version instead. Example: Electron 21 contains Chromium 106.\n"
        "- Chrome, Edge and Firefox on iOS use Safari's engine: use the column Safari.\n"
        "- The Jitsi apps for iOS and Android are not web pages and send no pushes. They load\n"
        "  neither `plugin.head.html` nor `body.html`. They load `config.analytics.scriptURLs`,\n"
        "  but they have no object `APP`, in which the client looks for the conference. We read\n"
        "  this in jitsi-meet's source, and did not try it in an app.",
        "## When the library reports 0 or no value",
        "- Just after a join, the library's bitrates are 0, because the library has not counted\n"
        "  any bytes yet.\n"
        "- `bandwidth_download` is absent in a conference without a bridge. With a bridge, it is\n"
        "  absent until the bridge sends its first estimate.\n"
        "- The client treats a bandwidth of 0 as absent. Before the first estimate, some versions\n"
        "  of the library report 0, and others report no value. In Firefox, the library always\n"
        "  reports 0.\n"
        "- `transport_rtt` is absent if the browser has no round-trip time for the path.\n"
        "- The library's packet loss of uploads is always 0. Its total packet loss is therefore\n"
        "  too low. The client computes both metrics from the browser's report.",
        "## Which browsers do not report a metric",
        "This query returns, for each browser, the ratio of participants without the metric\n"
        "`jitsi_jcmc_freezes` to all its participants. It uses `jitsi_jcmc_connectionquality`,\n"
        "because that metric has the label `browser_name`:",
        "```promql\n"
        "  count by (browser_name, browser_version) (\n"
        "      jitsi_jcmc_connectionquality\n"
        "    unless on (roomname, client_id, participant_id)\n"
        "      jitsi_jcmc_freezes\n"
        "  )\n"
        "/\n"
        "  count by (browser_name, browser_version) (jitsi_jcmc_connectionquality)\n"
        "```",
        "The result 1 means that no participant with this browser reports the metric. If a\n"
        "browser has no row in the result, all its participants report the metric. A result\n"
        "between 0 and 1 is usual, because a participant that receives no video does not report\n"
        "the metric. With `JCMC_NAMING=otel`, replace `jitsi_jcmc_connectionquality` by\n"
        "`jitsi_client_info`, `jitsi_jcmc_freezes` by the new name of your metric, the labels in\n"
        "`by` by `user_agent_name`, and the labels in `unless on` by\n"
        "`jitsi_conference_name, jitsi_participant_id, session_id`.",
        "An absent metric does not count as 0: `avg` and `max` use only the participants that\n"
        "report the metric. Do not add `or vector(0)` to a query. A browser that does not report\n"
        "freezes would then look like the browser with the fewest freezes.",
        "## Sources",
        "[client/browser_support.json](../client/browser_support.json) names, for each version on\n"
        "this page, one of these sources. It also says how to look a version up again.",
        "\n".join(sources),
        "For these members, the sources differ, or a source leaves something open:",
        "\n".join(notes),
    )


def settings_page() -> str:
    """Return docs/settings.md."""
    groups = []
    for group in GROUPS:
        rows = [
            (
                " or ".join(f"`{name}`" for name in _given_as(field)),
                _default(field),
                _bounds(field),
                Settings.model_fields[field].description or "",
            )
            for field in group.model_fields
        ]
        groups += [*_about(group), table(("variable", "default", "bounds", "meaning"), rows)]
    return page(
        "Settings",
        "Use this page to look up a setting. For example, `METRICS_EXPIRATION=60` keeps a\n"
        "participant for 60 s after its last push. The service reads settings from the\n"
        "environment, then from a file `.env` in the working folder. It strips a trailing\n"
        "comment (`5 # In seconds`). `otel-jcmc check` prints the settings in force, without\n"
        "secrets.",
        "A setting with a second name that ends in `_FILE` is a secret. The value of the second\n"
        "name is the path of a file with the secret; a line end after the secret is ignored.\n"
        "`OTEL_EXPORTER_OTLP_HEADERS_FILE` works in the same way.",
        *groups,
        "The OTLP exporters also read the other standard variables, `OTEL_EXPORTER_OTLP_HEADERS`,\n"
        "`_COMPRESSION`, `_CERTIFICATE`, `_CLIENT_KEY`, `_CLIENT_CERTIFICATE` and\n"
        "`_INSECURE`, as the OpenTelemetry specification describes them. The service ignores\n"
        "`NODE_ENV`.",
    )


def _about(group: type[BaseSettings]) -> tuple[str, str]:
    """Return the heading and the sentence of a *group* of settings, from its docstring."""
    told = (group.__doc__ or "").strip()
    heading = told.partition(":")[0].partition(",")[0].rstrip(".")
    return f"## {heading}", told


def reasons_page() -> str:
    """Return docs/reasons.md."""
    return page(
        "Reasons",
        "Use this page to see why the service did not store a push, or one of its fields. The\n"
        "table lists all reasons. A reason appears as `reason` in the answer to a push, and as\n"
        "the label `reason` of `otel_jcmc_pushes_total` and `otel_jcmc_fields_dropped_total`.",
        table(("reason", "meaning"), [(f"`{reason}`", reason.brief) for reason in Reason]),
    )


def env_example() -> str:
    """Return .env.example: every setting, commented out, at its default."""
    parts = [f"# {NOTE}\n# Copy to .env and uncomment what you change.\n"]
    starts = {next(iter(group.model_fields)): _about(group)[1] for group in GROUPS}
    for field in in_order():
        if field in starts:
            parts.append(f"# == {starts[field]}\n")
        about = Settings.model_fields[field]
        text = "" if about.default is None else to_text(about.default)
        parts.append(
            f"# {(about.description or '').replace('`', '')}\n#{names_of(field)[0]}={text}\n"
        )
    return "\n".join(parts)


def client_fields() -> str:
    """Return client/parts/fields.js: the fields that the browser reads, from the catalogue."""
    fields = [
        row.client
        for row in METRICS
        if row.client and not row.is_list and not row.client.startswith((ROOM, OWN))
    ]
    readings = [
        (row.field, str(of.how), _js_terms(of.of), of.times, *filter(None, [_js_terms(of.per)]))
        for row in METRICS
        if (of := row.reading)
    ]
    tables = [_js_table("Field", "FIELDS", fields), _js_table("Row", "READINGS", readings)]
    return "\n".join([f"// {NOTE}\n", *tables])


def _js_terms(terms: tuple[str, ...]) -> list[tuple[int | str, ...]]:
    """Return each term as a sign (1 or -1), its type and its member."""
    return [(-1 if term[0] == "-" else 1, *term.lstrip("-").split(".")) for term in terms]


def _js_table(kind: str, name: str, rows: Iterable[Any]) -> str:
    """Return a constant of the client, a list of *kind*."""
    lines = "".join(f"    {json.dumps(row)},\n" for row in rows)
    return f"/** @type {{{kind}[]}} */\nexport const {name} = [\n{lines}];\n"


def files() -> dict[Path, str]:
    """Return every generated file with what it should hold."""
    boards = dashboards.files()
    return {
        _ROOT / "docs" / "metrics.md": metrics_page(),
        _ROOT / "docs" / "browsers.md": browsers_page(),
        _ROOT / "docs" / "settings.md": settings_page(),
        _ROOT / "docs" / "reasons.md": reasons_page(),
        _ROOT / "docs" / "verdict.md": verdict_page(),
        _ROOT / "docs" / "sizing.md": sizing_page(),
        _ROOT / "docs" / "scaling.md": scaling_page(),
        _ROOT / ".env.example": env_example(),
        _ROOT / "docs" / "rooms.md": page("The rooms", _PICTURE, rooms_page()),
        _ROOT / "docs" / "pictures" / "rooms.svg": rooms_picture(),
        _ROOT / "docs" / "pictures" / "road.svg": road_picture(),
        _ROOT / "docs" / "pictures" / "verdict.svg": verdict_picture(),
        _ROOT / "client" / "parts" / "fields.js": client_fields(),
        **{_DASHBOARDS / name: text for name, text in boards.items()},
        _ROOT / "otel_jcmc" / "doctor" / "shipped.json": shipped(_RULES, boards),
    }


_CARRIERS: Final = {
    Naming.JCMC: {
        Scope.IDENTITY: "all",
        Scope.QUALITY: "connectionquality",
        Scope.ROLE: ROLE_NAME,
        Scope.DESCRIPTION: "connectionquality`, `info",
        Scope.INFO: INFO_FIELD,
        Scope.PATH: "transport_rtt",
    },
    Naming.OTEL: {
        Scope.IDENTITY: "all",
        Scope.ROLE: INFO_NAME,
        Scope.DESCRIPTION: INFO_NAME,
        Scope.INFO: INFO_NAME,
        Scope.PATH: "jitsi.client.transport.round_trip_time",
    },
}


def _attribute_table(naming: Naming) -> str:
    """Return the table of the labels that *naming* has."""
    rows = [
        (f"`{name}`", carrier, _allowed(row), row.brief)
        for row in ATTRIBUTES
        if (name := row.label if naming is Naming.JCMC else row.otel_name)
        and (carrier := _carrier(naming, row))
    ]
    return table(("label" if naming is Naming.JCMC else "attribute", "on", "text", "meaning"), rows)


def _carrier(naming: Naming, row: Attribute) -> str:
    """Return which series of *naming* have the attribute *row*; empty: it is not for series."""
    if row.scope is Scope.STORED and naming is Naming.OTEL:
        return "all" if row is SESSION else "no series, only history"
    carrier = _CARRIERS[naming].get(row.scope, "")
    return f"`{carrier}`" if carrier not in ("", "all") else carrier


def _allowed(row: Attribute) -> str:
    """Return which texts an attribute may have, in words for the docs."""
    if row.kind is Kind.CHOICE:
        return ", ".join(f"`{word}`" for word in row.choices)
    if row.kind is Kind.TEXT:
        if not row.max_length:
            return "at most `JCMC_LIMIT_LABEL_CHARACTERS`"
        return f"at most {row.max_length} characters"
    return str(row.kind)


def _given_as(field: str) -> list[str]:
    """Return all names of a field in the environment, also the names that end in _FILE."""
    names = names_of(field)
    of_files = is_secret(Settings.model_fields[field])
    return [*names, *(f"{name}_FILE" for name in names if of_files)]


def _default(field: str) -> str:
    """Return a field's default for the docs."""
    default: Any = Settings.model_fields[field].default
    if default is None or default == "":
        return ""
    return f"`{to_text(default)}`"


def _bounds(field: str) -> str:
    """Return a field's bounds for the docs."""
    found = {}
    for about in Settings.model_fields[field].metadata:
        for bound in ("ge", "le"):
            value = getattr(about, bound, PydanticUndefined)
            if value is not PydanticUndefined:
                found[bound] = value
    if "le" in found:
        return f"{found['ge']} to {found['le']}"
    return f"at least {found['ge']}" if "ge" in found else ""


# Names of members that only the client's own parts use. Terser may shorten them, because no library
# and no browser has members with these names.
_INNER_NAMES: Final = (
    *("isProven", "isSuspect", "isDown", "isOver", "isUp", "hasMoved", "isOff", "isFalse"),
    *("shouldMove", "rests", "notBefore", "failures", "backoffMs", "taken", "outages"),
    *("settle", "look", "drop", "tell", "pump", "release", "beat", "isHeard", "ms"),
    *("offer", "last", "wait", "down", "up", "told", "findRole", "joinMs"),
)


def client_files() -> dict[Path, str]:
    """
    Return the served client files, made from the files that are in the folder now.

    The first line is a hash of the source, by which tests recognise a stale file.

    Raises:
        CalledProcessError: Terser can't read them.
    """
    return {
        _ROOT / "client" / "served" / name: f"// {client_hash(name)}\n{_minified(name)}"
        for name in (FILE_NAME, JMMC_FILE_NAME)
    }


def client_hash(name: str) -> str:
    """Return the hash of a client file's source."""
    return blake2b(source_with_placeholder(name).encode(), digest_size=12).hexdigest()


def _minified(name: str) -> str:
    """Return a client file, minified by Terser."""
    names = f"regex=/^({'|'.join(_INNER_NAMES)})$/"
    options = ("--compress", "passes=3", "--mangle", "--mangle-props", names, "--ecma", "2020")
    made = subprocess.run(
        [_TERSER, *options],
        input=source_with_placeholder(name),
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.rstrip("\n") + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the stale files, or with `--check` print their names; return the exit code."""
    try:
        made = files()
    except MemberUnknown as error:
        print(error, file=sys.stderr)
        return 1
    is_stale = _write(made, arguments)
    if not _TERSER.exists():
        # Tests recognise a stale served file by its hash.
        print("client/served is left unchanged: node_modules is missing", file=sys.stderr)
        return int(is_stale)
    # The served files are made from parts that were just written.
    return int(_write(client_files(), arguments) or is_stale)


def _write(made: dict[Path, str], arguments: Sequence[str]) -> bool:
    """Write or, with `--check`, print the stale files of *made*; return whether any stay stale."""
    stale = [
        path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text
    ]
    for path in stale:
        if "--check" in arguments:
            print(
                f"{path.relative_to(_ROOT)} is not up to date: run `make generate`", file=sys.stderr
            )
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], "utf-8")
            print(f"wrote {path.relative_to(_ROOT)}")
    return bool(stale) and "--check" in arguments


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
