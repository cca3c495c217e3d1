"""Makes and runs the objects that take pushes: checks, limits, tokens, endpoints, the recorder."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import Final

from otel_jcmc.catalogue.attributes import LOCAL_ADDRESS
from otel_jcmc.config.settings import to_text
from otel_jcmc.intake.bridges import Bridges
from otel_jcmc.intake.intake import Intake
from otel_jcmc.intake.joins import Joins
from otel_jcmc.intake.networks import Networks
from otel_jcmc.intake.noticing import Noticing
from otel_jcmc.intake.relays import Relays
from otel_jcmc.jmmc.push import JmmcEndpoint
from otel_jcmc.jmmc.states import States
from otel_jcmc.jmmc.wire import JmmcParser
from otel_jcmc.service.admission import (
    make_hash_secret,
    make_jitsi_tokens,
    make_limits,
    make_push_tokens,
)
from otel_jcmc.service.common import Common
from otel_jcmc.sessions.recorder import Recorder
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.shared_secret import SharedSecret
from otel_jcmc.verdict.judge import Judge
from otel_jcmc.web.bodies import Bodies
from otel_jcmc.web.cors import Cors
from otel_jcmc.web.push import PushEndpoint
from otel_jcmc.wire.push import PushParser
from otel_jcmc.wire.rules import make_rules

# Once in this time, expired participants are subtracted from the counts of their addresses.
TIDY_SECONDS: Final = 60.0


class Taking:
    """
    The objects that take pushes.

    Attributes:
        cors: says from which origins pages may push.
        rules: the rules that check pushes.
        recorder: records sessions; None if no data of sessions is kept.
        limits: the limits on pushes; each process counts only its own pushes for them.
        push_tokens: issues our own tokens; None if pushes need no such token.
        push_endpoint: takes the pushes of our client and of the original JCMC client.
        jmmc_endpoint: takes the pushes of JMMC pages; None: JMMC pages can't push.
    """

    def __init__(self, common: Common, recorder: Recorder | None, joins: Joins) -> None:
        """
        Make the objects that take pushes; *recorder* and *joins* get each push. Nothing is opened.

        Raises:
            KeysUnusable: the settings name a key for tokens, or a file of keys, that is not usable.
        """
        settings = common.settings
        self._common = common
        self.recorder = recorder
        self._tidy_at = 0.0
        self.limits = make_limits(settings)
        self.cors = Cors(settings.cors_allowed_origins)
        dropped, relays = common.privacy.dropped, None
        if settings.relays:
            # The relay is recognised by the address, so the address is dropped only after that.
            dropped -= {LOCAL_ADDRESS.id}
            keeps = LOCAL_ADDRESS.id not in common.privacy.dropped
            relays = Relays(settings.relay_names, keeps_addresses=keeps)
        self.rules = make_rules(settings.limit_label_characters, settings.limit_transports, dropped)
        self.push_tokens = make_push_tokens(settings, common.redis_url, self.cors)
        self._hash_secret = make_hash_secret(settings, common.redis_url)
        self._noticing = _make_noticing(common)
        intake = Intake(
            common.store,
            self.limits,
            settings.metrics_expiration_seconds * 1000,
            common.privacy if common.privacy.is_needed else None,
            self.push_tokens or make_jitsi_tokens(settings),
            recorder,
            joins,
            Bridges(settings.bridge_names, self._hash_secret),
            Networks(self._hash_secret),
            relays,
            Judge(settings.bad_packet_loss, settings.bad_round_trip_ms),
            common.histograms.count if common.histograms else None,
            self._noticing,
        )
        bodies = Bodies(settings.limit_body_bytes, settings.limit_body_seconds)
        parser = PushParser(self.rules)
        self.push_endpoint = PushEndpoint(intake, common.telemetry, self.cors, parser, bodies)
        self.jmmc_endpoint: JmmcEndpoint | None = None
        if settings.jmmc_path:
            self.jmmc_endpoint = self._jmmc_endpoint(intake, bodies)

    def _jmmc_endpoint(self, intake: Intake, bodies: Bodies) -> JmmcEndpoint:
        """Return the endpoint that pages of the Jitsi Meet Metrics Collector push to."""
        settings, redis_url = self._common.settings, self._common.redis_url
        given = to_text(settings.cookie_secret or "")
        key = f"{settings.key_prefix}:cookie-secret"
        return JmmcEndpoint(
            intake,
            self._common.telemetry,
            Cors(settings.cors_allowed_origins, credentials=True),
            JmmcParser(self.rules, settings.jmmc_conf_pattern, settings.jmmc_authorized_regions),
            self.rules,
            bodies,
            SharedSecret(redis_url, key, given.encode()),
            States(redis_url, settings.keys, 2 * settings.limit_participants),
            settings.trusted_proxies,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the tasks that run beside the pushes; at the end stop them in reverse order."""
        async with AsyncExitStack() as stack:
            if self.jmmc_endpoint:
                stack.push_async_callback(self.jmmc_endpoint.close)
            stack.push_async_callback(self._hash_secret.close)
            if self.push_tokens:
                stack.push_async_callback(self.push_tokens.close)
                await self.push_tokens.start()
            if self._noticing is not None:
                stack.push_async_callback(self._noticing.stop)
                self._noticing.start()
            if self.recorder is not None:
                stack.push_async_callback(self.recorder.stop)
                self.recorder.start()
            yield

    async def tidy(self) -> None:
        """Log limits that no longer refuse pushes; forget expired participants. Call regularly."""
        self.limits.refusals.log_ended()
        if monotonic() > self._tidy_at:
            for _ in self.limits.crowds.tidy_in_parts(monotonic()):
                await asyncio.sleep(0)
            self._tidy_at = monotonic() + TIDY_SECONDS


def _make_noticing(common: Common) -> Noticing | None:
    """Return the object that finds events of participants in pushes; None: events are not sent."""
    settings = common.settings
    if settings.logs_exporter != "otlp":
        return None
    link = AgreedLink(open_link(common.redis_url), settings.keys)
    instance = common.place.shared.instance_id
    drop = common.telemetry.drop_events
    return Noticing(link, settings.keys, settings.logs_waiting, instance, drop)
