"""The client file: where browsers push to, how often, and with which token."""

from pydantic import Field

from otel_jcmc.config.fields import Group, named


class ClientSettings(Group):
    """The client file: where browsers push to, how often, and with which token."""

    push_url: str | None = Field(
        None,
        validation_alias=named("PUSH_URL"),
        description="URL that the served client pushes to. Unset: `metrics/push` beside the URL"
        " that the client file was loaded from; if the script has no URL,"
        " http://127.0.0.1:3000/metrics/push.",
    )
    client_interval_seconds: int = Field(
        0,
        ge=0,
        le=100,
        validation_alias=named("JCMC_CLIENT_INTERVAL"),
        description="Seconds between two pushes of a browser. Each push is the average of the"
        " samples since the last push. 0: the browser pushes every sample; lib-jitsi-meet takes one"
        " every 10 s by default.",
    )
    client_jitter_seconds: int = Field(
        5,
        ge=0,
        le=100,
        validation_alias=named("JCMC_CLIENT_JITTER"),
        description="Each browser waits a random time before its pushes: at most this many seconds,"
        " and at most the time between two samples. So browsers that join at the same moment do not"
        " push at the same moment.",
    )
    client_send_jwt: bool = Field(
        False,
        validation_alias=named("JCMC_CLIENT_SEND_JWT"),
        description="The client sends the page's Jitsi token with each push, as `Authorization:"
        " Bearer`, for a proxy that checks it. The token may hold a name and an e-mail address.",
    )
    client_debug: bool = Field(
        False,
        validation_alias=named("JCMC_CLIENT_DEBUG"),
        description="The client writes what it does to the browser's console, and the client file"
        " is served with its comments.",
    )
