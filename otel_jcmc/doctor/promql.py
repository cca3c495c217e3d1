"""
Prometheus's HTTP API, as far as doctor asks it.

Source: Prometheus, HTTP API (instant queries, errors).
"""

import re
from typing import Any, Final
from urllib.parse import quote

from otel_jcmc.doctor.asking import Unreachable, ask

# A dashboard of a large fleet takes some.
_SECONDS: Final = 30.0
# Of a series: who is in a call.
_LABELS: Final = re.compile(r"\{.*\}", re.DOTALL)


class QueryFails(Exception):
    """Prometheus can't answer a query; the message says why, without anybody's labels."""


class Api:
    """The API of one Prometheus."""

    def __init__(self, url: str) -> None:
        """Ask the one at *url*."""
        self._url = url

    def get(self, path: str) -> Any:
        """
        Return the data of an answer.

        Raises:
            Unreachable: there is none.
            QueryFails: it is an error of the query.
        """
        answer = ask(f"{self._url}/api/v1/{path}", seconds=_SECONDS)
        told = answer.json()
        if isinstance(told, dict) and told.get("status") == "error":
            raise QueryFails(hidden(str(told.get("error"))))
        if answer.status != 200 or not isinstance(told, dict) or "data" not in told:
            raise Unreachable(f"what answers is no Prometheus ({answer.status})")
        return told["data"]

    def labels(self, expr: str) -> list[dict[str, str]]:
        """
        Return the labels of what *expr* finds now.

        Raises:
            Unreachable: nobody answers.
            QueryFails: it can't be answered.
        """
        return [each["metric"] for each in self.get(f"query?query={quote(expr)}")["result"]]

    def has(self, name: str) -> bool:
        """Say whether there is a series *name* now; raises as `labels` does."""
        return bool(self.labels(f"count({name})"))


def hidden(error: str) -> str:
    """Return an *error* of Prometheus without the labels of series, in which participants are."""
    return _LABELS.sub("{...}", error)
