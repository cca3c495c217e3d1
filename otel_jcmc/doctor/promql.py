"""
Sends queries of doctor to Prometheus's HTTP API, and returns the data of the answers.

Source: Prometheus, HTTP API (instant queries, errors).
"""

import re
from typing import Any, Final
from urllib.parse import quote

from otel_jcmc.doctor.asking import Unreachable, ask

# The time limit of a query in seconds. With many conferences, a dashboard's query takes some
# seconds.
_SECONDS: Final = 30.0
# Finds the labels of a series in an error of Prometheus. The labels may name a participant and a
# conference, so they are removed.
_LABELS: Final = re.compile(r"\{.*\}", re.DOTALL)


class QueryFails(Exception):
    """Prometheus can't answer a query; the message gives its error without labels of series."""


class Api:
    """The API of one Prometheus."""

    def __init__(self, url: str) -> None:
        """Prepare for the Prometheus at *url*."""
        self._url = url

    def get(self, path: str) -> Any:
        """
        Return the data of the answer to a GET of *path*.

        Raises:
            Unreachable: no answer came, or the answer is not from Prometheus.
            QueryFails: Prometheus answered with an error.
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
        Return the labels of each series that the query *expr* finds at this moment.

        Raises:
            Unreachable: no answer came, or the answer is not from Prometheus.
            QueryFails: Prometheus can't answer the query.
        """
        return [each["metric"] for each in self.get(f"query?query={quote(expr)}")["result"]]

    def has(self, name: str) -> bool:
        """Return whether Prometheus has a series *name* now; raises the exceptions of `labels`."""
        return bool(self.labels(f"count({name})"))


def hidden(error: str) -> str:
    """Return an *error* of Prometheus without the labels of series: they may name participants."""
    return _LABELS.sub("{...}", error)
