"""What an operator can do about refused or failed pushes: a text for each reason."""

from typing import Final

from otel_jcmc.catalogue.reasons import Reason

_SENDER: Final = "the sender is wrong: compare what it sends with docs/push.md"
_JWT: Final = (
    "the service does not accept the page's token: compare JCMC_JWT_* with Jitsi's token settings"
)
_JMMC: Final = (
    "the browser does not send the cookie back: see docs/jmmc.md, check JCMC_CORS_ALLOWED_ORIGINS"
)
# One text for each reason for which a whole push is not stored. It is printed after the reason.
REMEDIES: Final[dict[Reason, str]] = {
    Reason.NOT_JSON: _SENDER,
    Reason.CONTENT_ENCODING: "a proxy or sender compresses pushes: switch compression off",
    Reason.NOT_AN_OBJECT: _SENDER,
    Reason.MISSING: _SENDER,
    Reason.NOT_TEXT: _SENDER,
    Reason.BAD_TEXT: _SENDER,
    Reason.TOO_LONG: "a name is longer than JCMC_LIMIT_LABEL_CHARACTERS",
    Reason.NOT_A_GUID: _SENDER,
    Reason.NOTHING_KEPT: _SENDER,
    Reason.BODY_TOO_LARGE: "if the senders are yours, raise JCMC_LIMIT_BODY_BYTES",
    Reason.BODY_INCOMPLETE: "senders hang up, or a proxy is slow: look at the proxy's log",
    Reason.TOKEN_MISSING: "a proxy drops Authorization, or the pages have an old client file",
    Reason.TOKEN_INVALID: _JWT,
    Reason.TOKEN_AMBIGUOUS: "a proxy adds an Authorization header: remove it",
    Reason.TOKEN_EXPIRED: (
        "compare the clocks of this machine and of the machine that issues the tokens"
    ),
    Reason.ORIGIN_NOT_ALLOWED: "add the origin of the pages to JCMC_CORS_ALLOWED_ORIGINS",
    Reason.CONFERENCE_NOT_ALLOWED: (
        "the page's token is for another conference: check Jitsi's token settings"
    ),
    Reason.PARTICIPANT_TAKEN: (
        "a user pushes for another user's participant; harmless if it is rare"
    ),
    Reason.CONFERENCE_PATTERN: "JCMC_JMMC_CONF_PATTERN decides which conferences are accepted",
    Reason.COOKIE_MISSING: _JMMC,
    Reason.COOKIE_INVALID: _JMMC,
    Reason.SESSION_UNKNOWN: (
        "pages of JMMC open a new session automatically; if it continues, see docs/jmmc.md"
    ),
    Reason.ADDRESS_RATE: "if all come from one proxy, it must send X-Forwarded-For, and"
    " JCMC_TRUSTED_PROXIES must include it; otherwise raise JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND",
    Reason.PARTICIPANT_RATE: (
        "one page pushes more often than JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND allows"
    ),
    Reason.NEWCOMER_RATE: "if all come from one proxy, it must send X-Forwarded-For, and"
    " JCMC_TRUSTED_PROXIES must include it; otherwise raise"
    " JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND",
    Reason.ADDRESS_LIMIT: "if all come from one proxy, it must send X-Forwarded-For, and"
    " JCMC_TRUSTED_PROXIES must include it; otherwise raise JCMC_LIMIT_ADDRESS_PARTICIPANTS",
    Reason.PARTICIPANT_LIMIT: "raise JCMC_LIMIT_PARTICIPANTS and Redis's memory (docs/sizing.md)",
    Reason.CONFERENCE_LIMIT: "raise JCMC_LIMIT_CONFERENCE_PARTICIPANTS",
    Reason.STORE_UNAVAILABLE: (
        "Redis does not answer in time: check that it runs and that REDIS_URL is right"
    ),
    Reason.STORE_FULL: "raise Redis's maxmemory: docs/sizing.md says by how much",
    Reason.STORE_BUSY: "Redis is too slow for these pushes: look at its CPU and its disk",
    Reason.STOPPING: "the service was stopped; harmless at a restart",
}
