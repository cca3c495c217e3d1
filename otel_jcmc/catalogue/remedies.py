"""What an operator does about pushes that are refused, or that could not be stored, by reason."""

from typing import Final

from otel_jcmc.catalogue.reasons import Reason

_SENDER: Final = "the sender is wrong: compare what it sends with docs/push.md"
_JWT: Final = "the page's token is not taken: compare JCMC_JWT_* with Jitsi's own token settings"
_JMMC: Final = "the page's cookie does not come back: docs/jmmc.md, JCMC_CORS_ALLOWED_ORIGINS"
# Of each reason for which a whole push is not taken; to be read behind the reason itself.
REMEDIES: Final[dict[Reason, str]] = {
    Reason.NOT_JSON: _SENDER,
    Reason.CONTENT_ENCODING: "a proxy or sender compresses pushes: switch that off",
    Reason.NOT_AN_OBJECT: _SENDER,
    Reason.MISSING: _SENDER,
    Reason.NOT_TEXT: _SENDER,
    Reason.BAD_TEXT: _SENDER,
    Reason.TOO_LONG: "a name is longer than JCMC_LIMIT_LABEL_CHARACTERS",
    Reason.NOT_A_GUID: _SENDER,
    Reason.NOTHING_KEPT: _SENDER,
    Reason.BODY_TOO_LARGE: "raise JCMC_LIMIT_BODY_BYTES if the senders are yours",
    Reason.BODY_INCOMPLETE: "senders hang up, or a proxy is slow: its log says more",
    Reason.TOKEN_MISSING: "a proxy drops Authorization, or the pages have an old client file",
    Reason.TOKEN_INVALID: _JWT,
    Reason.TOKEN_AMBIGUOUS: "a proxy adds an Authorization header: take it out",
    Reason.TOKEN_EXPIRED: "compare the clocks of this machine and of whoever makes the tokens",
    Reason.ORIGIN_NOT_ALLOWED: "name the origin of the pages in JCMC_CORS_ALLOWED_ORIGINS",
    Reason.CONFERENCE_NOT_ALLOWED: "the page's token is for another conference: Jitsi's settings",
    Reason.PARTICIPANT_TAKEN: "somebody pushes for others; harmless if they are few",
    Reason.CONFERENCE_PATTERN: "JCMC_JMMC_CONF_PATTERN says which conferences are taken",
    Reason.COOKIE_MISSING: _JMMC,
    Reason.COOKIE_INVALID: _JMMC,
    Reason.SESSION_UNKNOWN: "pages of JMMC begin anew by themselves; if it goes on: docs/jmmc.md",
    Reason.ADDRESS_RATE: "if all come from one proxy: it must send X-Forwarded-For, and"
    " JCMC_TRUSTED_PROXIES must have it; else raise JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND",
    Reason.PARTICIPANT_RATE: "JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND is what one page may push",
    Reason.NEWCOMER_RATE: "if all come from one proxy: it must send X-Forwarded-For, and"
    " JCMC_TRUSTED_PROXIES must have it; else raise JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND",
    Reason.ADDRESS_LIMIT: "if all come from one proxy: it must send X-Forwarded-For, and"
    " JCMC_TRUSTED_PROXIES must have it; else raise JCMC_LIMIT_ADDRESS_PARTICIPANTS",
    Reason.PARTICIPANT_LIMIT: "raise JCMC_LIMIT_PARTICIPANTS, and Redis's memory (docs/sizing.md)",
    Reason.CONFERENCE_LIMIT: "raise JCMC_LIMIT_CONFERENCE_PARTICIPANTS",
    Reason.STORE_UNAVAILABLE: "Redis does not answer in time: is it up, and is REDIS_URL right?",
    Reason.STORE_FULL: "raise Redis's maxmemory: docs/sizing.md has how much",
    Reason.STORE_BUSY: "Redis is too slow for these pushes: look at its CPU and its disk",
    Reason.STOPPING: "the service was stopped; harmless at a restart",
}
