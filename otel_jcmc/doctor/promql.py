"""
Sends doctor's queries to Prometheus's HTTP API and returns the answers.

Source: Prometheus, HTTP API (instant queries, errors).
"""

import re
from typing import Any, Final
from urllib.parse import quote

from otel_jcmc.doctor.asking import Unreachable, ask

# The time limit of a query: with a large fleet, a dashboard's query takes some seconds.
_SECONDS: Final = 30.0
# The labels of a series in an error of Prometheus. They may contain a participant's name.
_LABELS: Final = re.compile(r"\{.*\}", re.DOTALL)


class QueryFails(Exception):
    """Prometheus can't answer a query; the message says why, without labels of participants."""


class Api:
    """Asks one Prometheus by its HTTP API."""

    def __init__(self, url: str) -> None:
        """Use the Prometheus at *url*; no request is sent yet."""
        self._url = url

    def get(self, path: str) -> Any:
        """
        Return `data` of the JSON answer to a GET of *path*, a path below `/api/v1/`.

        Raises:
            Unreachable: no answer came, or the answer is not from Prometheus.
            QueryFails: the query has an error.
        """
        answer = ask(f"{self._url}/api/v1/{path}", seconds=_SECONDS)
        told = answer.json()
        if isinstance(told, dict) and told.get("status") == "error":
            raise QueryFails(hidden(str(told.get("error"))))
        if answer.status != 200 or not isinstance(told, dict) or "data" not in told:
            raise Unreachable(f"the answer is not Prometheus's ({answer.status})")
        return told["data"]

    def labels(self, expr: str) -> list[dict[str, str]]:
        """
        Return the labels of each series in the present result of *expr*, a query in PromQL.

        Raises:
            Unreachable: no answer came, or the answer is not from Prometheus.
            QueryFails: Prometheus can't answer the query.
        """
        return [each["metric"] for each in self.get(f"query?query={quote(expr)}")["result"]]

    def has(self, name: str) -> bool:
        """Say whether Prometheus has a series *name* now; raises the errors of `labels`."""
        return bool(self.labels(f"count({name})"))


def hidden(error: str) -> str:
    """Return an *error* of Prometheus without the labels of series: they may name participants."""
    return _LABELS.sub("{...}", error)
