"""What several boards show alike: whether the service is there, colours of states, variables."""

from typing import Final

from otel_jcmc.catalogue import levels
from otel_jcmc.catalogue.levels import Label
from tools.dashboards.boards import query_variable, text_variable
from tools.dashboards.names import Names
from tools.dashboards.panels import (
    GREEN,
    GREY,
    RED,
    YELLOW,
    Json,
    stat,
)

# Value of the state's series -> word and colour.
STATE_WORDS: Final = {0: ("good", GREEN), 1: ("fair", YELLOW), 2: ("bad", RED)}
STATE_COLOURS: Final = {"good": GREEN, "fair": YELLOW, "bad": RED, "unknown": GREY}
CONFERENCE_UID: Final = "otel_jcmc_conference"
NOW_UID: Final = "otel_jcmc_now"
SERVICE_UID: Final = "otel_jcmc_service"
_KEPT: Final = "var-datasource=${datasource}&var-service_url=${service_url}&${__url_time_range}"


def service_stat() -> Json:
    """Return whether the service and its store are there: red at once when they are not."""
    return stat(
        "Service",
        "min(otel_jcmc_store_up) or vector(-1)",
        "Red: no replica reports, or one of them does not reach its Redis, and all else here is old"
        " or empty. docs/runbooks: OtelJcmcAbsent.md, OtelJcmcStoreAway.md.",
        words={-1: ("no service", RED), 0: ("no Redis", RED), 1: ("up", GREEN)},
    )


def looks_stat() -> Json:
    """Return whether anybody knows what stands out."""
    return stat(
        "What stands out",
        "max(otel_jcmc_standing_known) or vector(0)",
        "Whether the service knows what stands out. If not, an empty table means nothing:"
        " docs/runbooks/OtelJcmcLooksMissing.md.",
        words={0: ("not known", RED), 1: ("known", GREEN)},
    )


def service_url() -> Json:
    """Return the variable of where people's browsers reach the service."""
    return text_variable("service_url", "Service's URL", "http://127.0.0.1:3000")


def conference_variable(names: Names) -> Json:
    """Return the variable that chooses one conference of those that are there."""
    pattern = (
        "jitsi_jcmc_(conference_participants_state|info)"
        if names.is_jcmc
        else "jitsi_(conference_participants|client_info)"
    )
    query = f'label_values({{__name__=~"{pattern}"}}, {names.conference})'
    return query_variable("conference", "Conference", query)


def conference_url(names: Names, column: str = "Conference") -> str:
    """Return where a click on a conference's name in *column* leads."""
    board = f"/d/{CONFERENCE_UID}{names.suffix}/"
    return f"{board}?var-conference=${{__data.fields.{column}}}&{_KEPT}"


def session_url(names: Names) -> str:
    """Return where a click on a participant leads: its sessions, in history."""
    url = "${service_url}/sessions?conference=${__data.fields.Conference}&from=${__from:date:iso}"
    return f"{url}&client_id=${{__data.fields.Client}}" if names.client else url


def identity_labels(names: Names) -> str:
    """Return the labels that tell participants apart, as PromQL lists them."""
    return ", ".join(names.identity)


def bad(names: Names) -> str:
    """Return what chooses the bad ones of a family."""
    return f'{names.label(Label.STATE)}="bad"'


def known(names: Names) -> str:
    """Return what chooses those of whom the state is known."""
    return f'{names.label(Label.STATE)}!="unknown"'


def share(names: Names, family: levels.Family, label: str, *matchers: str) -> str:
    """Return the share of bad of each *label*, of those known."""
    by = f"{label}, {names.label(Label.STATE)}, {names.label(Label.CAUSE)}"

    def people(which: str) -> str:
        return f"sum by ({label}) (max by ({by}) ({names.family(family, which, *matchers)}))"

    return f"{people(bad(names))} / ({people(known(names))} > 0)"
