"""Makes docs/sizing.md: how much memory Redis may need, from the limits of the settings."""

from typing import Final

from otel_jcmc.config.settings import Settings
from otel_jcmc.config.sizing import MIB, Share, memory_advice, shares
from tools.markdown import page, table

# _ALL also has the kinds of data that are off by default, so that the table shows their sizes.
_BY_DEFAULT: Final = Settings.model_construct()
_ALL: Final = Settings.model_construct(
    summary_days=400, traces_exporter="otlp", logs_exporter="otlp"
)
_OF_HISTORY: Final = """\
History contains sessions, their samples, the texts that searches use (cards), data about
conferences, and the names of sessions. One limit covers all of these. If history reaches it, the
service removes the oldest session first, and a new session is not recorded until there is room for
it: [history.md](history.md#what-is-kept-and-for-how-long). Tokens and secrets take some hundred
bytes. Some keys, such as a last push or a list of summaries, have a time to live. Redis removes
each of these keys when its time to live is over."""
_SETTING_IT: Final = """\
Set `maxmemory` to at least the sum of all rows that your settings switch on, and set
`maxmemory-policy noeviction`. If Redis saves to disk, the machine needs more memory than that. The
service at its start, and `otel-jcmc check`, compare `maxmemory` with this sum:"""


def sizing_page() -> str:
    """Return docs/sizing.md."""
    of_default = {each.what: each.most_bytes for each in shares(_BY_DEFAULT)}
    rows = [_row(each, of_default[each.what]) for each in shares(_ALL)]
    whole = sum(each.most_bytes for each in shares(_ALL))
    rows.append(("all together", "", "", _mb(sum(of_default.values())), _mb(whole)))
    (example,) = memory_advice(_BY_DEFAULT, 256 * MIB, "noeviction")
    return page(
        "Sizing",
        "Use this page to choose Redis's `maxmemory`. The table shows how much memory each kind\n"
        "of data takes at most. The sizes of single items were measured with all keys and\n"
        "overhead; a push with the longest texts takes more.",
        table(
            (
                "data",
                "limited by",
                "most items, size of one",
                "most by default",
                "most with all on",
            ),
            rows,
        ),
        _OF_HISTORY,
        "## Setting it",
        _SETTING_IT,
        f"```\nstore: memory: {example}\n```",
        "The embedded store runs without `maxmemory`.",
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
