"""Makes docs/sizing.md: how much memory Redis may need, from the limits of the settings."""

from typing import Final

from otel_jcmc.config.settings import Settings
from otel_jcmc.config.sizing import MIB, Share, memory_advice, shares
from tools.markdown import page, table

# The table also shows what is off by default.
_BY_DEFAULT: Final = Settings.model_construct()
_ALL: Final = Settings.model_construct(
    summary_days=400, traces_exporter="otlp", logs_exporter="otlp"
)
_OF_HISTORY: Final = """\
History contains sessions, their samples and cards, data about conferences, and the names of
sessions. It has one limit for all: beyond it the oldest session is removed first, and a new session
waits for a place: [history.md](history.md#what-is-kept-and-for-how-long). Tokens and secrets take
some hundred bytes. Keys with their own time to live, such as a last push or a list of summaries,
expire automatically."""
_SETTING_IT: Final = """\
`maxmemory` should be the sum of all that is on, with `maxmemory-policy noeviction`. If Redis
saves to disk, the machine needs more memory than that. The service compares both at its start, and
so does `otel-jcmc check`:"""


def sizing_page() -> str:
    """Return docs/sizing.md."""
    of_default = {each.what: each.most_bytes for each in shares(_BY_DEFAULT)}
    rows = [_row(each, of_default[each.what]) for each in shares(_ALL)]
    whole = sum(each.most_bytes for each in shares(_ALL))
    rows.append(("all together", "", "", _mb(sum(of_default.values())), _mb(whole)))
    (example,) = memory_advice(_BY_DEFAULT, 256 * MIB, "noeviction")
    return page(
        "Sizing",
        "Use this page to choose Redis's `maxmemory`. The table shows how much each kind of\n"
        "data may take at most. The size of one was measured with all keys and overhead; a push\n"
        "with the longest texts takes more.",
        table(("what", "bounded by", "one takes", "by default", "with all on"), rows),
        _OF_HISTORY,
        "## Setting it",
        _SETTING_IT,
        f"```\nstore: memory: {example}\n```",
        "The embedded store has no `maxmemory`.",
    )


def _row(share: Share, by_default: int) -> tuple[str, ...]:
    """Return a row of the table."""
    number = f"{share.most:,} of {share.each_bytes} bytes" if share.most else ""
    return (
        share.what,
        f"`{share.setting}`".replace("`twice ", "twice `").replace("`half of ", "half of `")
        if share.setting
        else "",
        number,
        _mb(by_default) if by_default else "off",
        _mb(share.most_bytes),
    )


def _mb(size: int) -> str:
    """Return *size* in the form of the table."""
    return f"{size / 1e6:.0f} MB" if size >= 10e6 else f"{size / 1e6:.1f} MB"
