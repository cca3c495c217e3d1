"""A page of the Jitsi Meet Metrics Collector, for tests: its pushes and their cookie."""

import uuid
from typing import Any

from harness import CHROME, Answer, Service, request


class JmmcPage:
    """
    One page in one conference.

    Attributes:
        cookie: what the browser sends with each push; empty before a session is open.
        headers: what else it sends.
    """

    def __init__(
        self, service: Service, conference: str, participant: str = "1a2b3c4d", **headers: str
    ) -> None:
        """Be in *conference* at *service*."""
        self.service = service
        self.uid = str(uuid.uuid4())
        self.conference = conference
        self.participant = participant
        self.cookie = ""
        self.headers = {"content-type": "application/json", "user-agent": CHROME, **headers}

    def push(self, m: Any, service: Service | None = None, **changes: Any) -> Answer:
        """Push *m*; *changes* replace what is beside it."""
        at = service or self.service
        cookie = {"cookie": self.cookie} if self.cookie else {}
        body = {"uid": self.uid, "conf": self.conference, "m": m, **changes}
        answer = request(f"{at.url}/jmmc/push", body, headers=self.headers | cookie)
        if set_cookie := answer.headers["set-cookie"]:
            self.cookie = set_cookie.partition(";")[0]
        return answer

    def open(self, m: Any = None, service: Service | None = None) -> Answer:
        """Open a session, with *m* beside what that takes."""
        return self.push({"br": "x", "os": "y", "pid": self.participant, **(m or {})}, service)

    def series(self, service: Service | None = None) -> dict[str, float]:
        """Return the values of this page's series by their names, in the `jcmc` naming."""
        found = (service or self.service).series("jitsi_jcmc_")
        return {
            name.partition("{")[0].removeprefix("jitsi_jcmc_"): value
            for name, value in found.items()
            if f'roomname="{self.conference}"' in name and f'client_id="{self.uid}"' in name
        }
