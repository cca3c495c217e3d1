"""Limits: of a push, an address, a conference and a connection."""

from pydantic import Field

from otel_jcmc.config.fields import Group, named


class LimitSettings(Group):
    """Limits: of a push, an address, a conference and a connection."""

    limit_body_bytes: int = Field(
        65_536,
        ge=0,
        validation_alias=named("JCMC_LIMIT_BODY_BYTES"),
        description="Largest body of a push in bytes; 0 for any.",
    )
    limit_label_characters: int = Field(
        256,
        ge=0,
        validation_alias=named("JCMC_LIMIT_LABEL_CHARACTERS"),
        description="Longest text of a push in characters. Ids and codecs have smaller limits of"
        " their own (docs/metrics.md); 0 switches those off too, so that only the body's size"
        " bounds a text.",
    )
    limit_transports: int = Field(
        8,
        ge=0,
        validation_alias=named("JCMC_LIMIT_TRANSPORTS"),
        description="Most transports of a push, further ones are dropped; 0 for any number.",
    )
    limit_participants: int = Field(
        120_000,
        ge=0,
        validation_alias=named("JCMC_LIMIT_PARTICIPANTS"),
        description="Most live participants, over all replicas; newcomers beyond are refused, those"
        " already seen go on; 0 for any number.",
    )
    limit_conference_participants: int = Field(
        1000,
        ge=0,
        validation_alias=named("JCMC_LIMIT_CONFERENCE_PARTICIPANTS"),
        description="Most participants of one conference, over all replicas, those counted who"
        " expired within the last minute; newcomers beyond are refused; 0 for any number.",
    )
    limit_participant_pushes: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        validation_alias=named("JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND"),
        description="Most pushes a second for one participant, ten seconds' worth of them at once,"
        " in each replica, and another session every 10 s at most; 0 for any number.",
    )
    limit_address_pushes: float = Field(
        1000.0,
        ge=0,
        allow_inf_nan=False,
        validation_alias=named("JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND"),
        description="Most pushes a second from one address (IPv6: one /64), ten seconds' worth of"
        " them at once, in each replica; a school behind one address is 2,000 pupils who push 200"
        " times a second; 0 for any number.",
    )
    limit_address_newcomers: float = Field(
        50.0,
        ge=0,
        allow_inf_nan=False,
        validation_alias=named("JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND"),
        description="Most new participants a second from one address, ten seconds' worth of them at"
        " once, in each replica; 0 for any number.",
    )
    limit_address_participants: int = Field(
        2_500,
        ge=0,
        validation_alias=named("JCMC_LIMIT_ADDRESS_PARTICIPANTS"),
        description="Most live participants of one address, as each replica counts them since its"
        " start; newcomers beyond are refused, those who are there are not; a school behind one"
        " address is 2,000 pupils; 0 for any number, also in one conference, and for any share of"
        " history.",
    )
    limit_connections: int = Field(
        10_000,
        ge=0,
        validation_alias=named("JCMC_LIMIT_CONNECTIONS"),
        description="Most open connections, fewer when the limit of open files is lower; for one"
        " more the longest idle are closed, and with nobody idle it is; 0 for any number. For each"
        " replica, whose workers have a share each.",
    )
    limit_head_bytes: int = Field(
        65_536,
        ge=0,
        validation_alias=named("JCMC_LIMIT_HEAD_BYTES"),
        description="Largest head of a request in bytes; 0 for any.",
    )
    limit_head_seconds: int = Field(
        10,
        ge=0,
        validation_alias=named("JCMC_LIMIT_HEAD_SECONDS"),
        description="Seconds that a head may take, a handshake of TLS, and a new connection to ask"
        " anything; 0 for any.",
    )
    limit_body_seconds: int = Field(
        10,
        ge=0,
        validation_alias=named("JCMC_LIMIT_BODY_SECONDS"),
        description="Seconds that a body may take; 0 for any.",
    )
    limit_answer_seconds: int = Field(
        60,
        ge=0,
        validation_alias=named("JCMC_LIMIT_ANSWER_SECONDS"),
        description="Seconds that reading an answer may take, from when the network first holds it"
        " up; 0 for any.",
    )
    limit_scrapes: int = Field(
        10,
        ge=0,
        validation_alias=named("JCMC_LIMIT_SCRAPES"),
        description="Most scrapes answered at a time, each of which holds what it read until its"
        " text is read; further ones are told to come again; 0 for any number.",
    )
