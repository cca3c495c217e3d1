"""Limits for a push, a participant, an address, a conference and a connection."""

from pydantic import Field

from otel_jcmc.config.fields import Group, named


class LimitSettings(Group):
    """Limits for a push, a participant, an address, a conference and a connection."""

    limit_body_bytes: int = Field(
        65_536,
        ge=0,
        validation_alias=named("JCMC_LIMIT_BODY_BYTES"),
        description="Largest body of a push, in bytes. 0: no limit.",
    )
    limit_label_characters: int = Field(
        256,
        ge=0,
        validation_alias=named("JCMC_LIMIT_LABEL_CHARACTERS"),
        description="Longest text in a push, in characters. Ids and codecs have smaller limits of"
        " their own (docs/metrics.md). 0: no limit, also for ids and codecs; only the size of the"
        " body limits a text.",
    )
    limit_transports: int = Field(
        8,
        ge=0,
        validation_alias=named("JCMC_LIMIT_TRANSPORTS"),
        description="Most transports in a push; further transports are dropped. 0: no limit.",
    )
    limit_participants: int = Field(
        120_000,
        ge=0,
        validation_alias=named("JCMC_LIMIT_PARTICIPANTS"),
        description="Most live participants in all replicas together. Further newcomers are"
        " refused; live participants continue. 0: no limit.",
    )
    limit_conference_participants: int = Field(
        1000,
        ge=0,
        validation_alias=named("JCMC_LIMIT_CONFERENCE_PARTICIPANTS"),
        description="Most participants of one conference, in all replicas together. Participants"
        " that expired within the last minute count as well. Further newcomers are refused. 0: no"
        " limit.",
    )
    limit_participant_pushes: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        validation_alias=named("JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND"),
        description="Most pushes per second for one participant, in each replica. A burst may"
        " have as many pushes as ten seconds allow. A participant may also change its session at"
        " most every 10 s. 0: no limit.",
    )
    limit_address_pushes: float = Field(
        1000.0,
        ge=0,
        allow_inf_nan=False,
        validation_alias=named("JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND"),
        description="Most pushes per second from one address (IPv6: one /64), in each replica. A"
        " burst may have as many pushes as ten seconds allow. Example: a school of 2,000 pupils"
        " behind one address pushes 200 times a second. 0: no limit.",
    )
    limit_address_newcomers: float = Field(
        50.0,
        ge=0,
        allow_inf_nan=False,
        validation_alias=named("JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND"),
        description="Most new participants per second from one address, in each replica. A burst"
        " may have as many newcomers as ten seconds allow. 0: no limit.",
    )
    limit_address_participants: int = Field(
        2_500,
        ge=0,
        validation_alias=named("JCMC_LIMIT_ADDRESS_PARTICIPANTS"),
        description="Most live participants of one address. Each replica counts them from its"
        " start. Further newcomers are refused; live participants continue. Example: a school"
        " behind one address has 2,000 pupils. 0: no limit. An address then also has no limit"
        " within one conference, and no limit for its share of history.",
    )
    limit_connections: int = Field(
        10_000,
        ge=0,
        validation_alias=named("JCMC_LIMIT_CONNECTIONS"),
        description="Most open connections of each replica; its workers get equal shares. The"
        " number is lower if the limit of open files is lower. For a further connection, the"
        " service closes the one that has been idle longest; if none is idle, it closes the new"
        " one. 0: no limit.",
    )
    limit_head_bytes: int = Field(
        65_536,
        ge=0,
        validation_alias=named("JCMC_LIMIT_HEAD_BYTES"),
        description="Largest head of a request (request line and headers), in bytes. 0: no limit.",
    )
    limit_head_seconds: int = Field(
        10,
        ge=0,
        validation_alias=named("JCMC_LIMIT_HEAD_SECONDS"),
        description="Most seconds for the head of a request, for a TLS handshake, and for the first"
        " request of a new connection. 0: no limit.",
    )
    limit_body_seconds: int = Field(
        10,
        ge=0,
        validation_alias=named("JCMC_LIMIT_BODY_SECONDS"),
        description="Most seconds for the body of a request. 0: no limit.",
    )
    limit_answer_seconds: int = Field(
        60,
        ge=0,
        validation_alias=named("JCMC_LIMIT_ANSWER_SECONDS"),
        description="Most seconds that a caller may take to read an answer, counted from when the"
        " answer first has to wait for the caller. 0: no limit.",
    )
    limit_scrapes: int = Field(
        10,
        ge=0,
        validation_alias=named("JCMC_LIMIT_SCRAPES"),
        description="Most scrapes that are answered at a time. Each scrape holds its snapshot in"
        " memory until the caller has read the answer. Further scrapes get 503 with `Retry-After`."
        " 0: no limit.",
    )
