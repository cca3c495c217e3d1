"""The browser's file: where it pushes, how often, and with what."""

from pydantic import Field

from otel_jcmc.config.fields import Group, named


class ClientSettings(Group):
    """The browser's file: where it pushes, how often, and with what."""

    push_url: str | None = Field(
        None,
        validation_alias=named("PUSH_URL"),
        description="What the served client posts to. Unset: `metrics/push` beside the place that"
        " the client file was loaded from, http://127.0.0.1:3000/metrics/push for a page there.",
    )
    client_interval_seconds: int = Field(
        0,
        ge=0,
        le=100,
        validation_alias=named("JCMC_CLIENT_INTERVAL"),
        description="Seconds between two pushes of a browser, each the average of the samples in"
        " between. 0: it pushes every sample, which lib-jitsi-meet takes every 10 s by default.",
    )
    client_jitter_seconds: int = Field(
        5,
        ge=0,
        le=100,
        validation_alias=named("JCMC_CLIENT_JITTER"),
        description="Each browser waits a random time of its own, at most this many seconds and"
        " one sample, before it pushes, so that those that join together do not push together.",
    )
    client_send_jwt: bool = Field(
        False,
        validation_alias=named("JCMC_CLIENT_SEND_JWT"),
        description="Let the client file send the page's Jitsi token with each push, as"
        " `Authorization: Bearer`, for a proxy that checks it. It may hold a name and an address.",
    )
    client_debug: bool = Field(
        False,
        validation_alias=named("JCMC_CLIENT_DEBUG"),
        description="Let the client file write to the browser's console what it does, and serve it"
        " with its comments.",
    )
