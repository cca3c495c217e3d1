"""Two replicas behind the shipped nginx, scraped by Prometheus 3 (prometheus-replicas.yaml)."""

from pathlib import Path

from collector.built import moved, running_prometheus3
from collector.pushed import ADA, BOB
from collector.roads import NOBODY, place
from e2e.nginx import before_replicas, running_nginx
from e2e.parts import until
from harness import Service
from ports import free_port
from rolling import two_replicas

from otel_jcmc.store.embedded import EmbeddedStore

# Counters of each replica, added up; participants once, whichever replica tells them.
FOUND = {
    'sum(otel_jcmc_pushes_total{outcome="accepted"})': 3.0,
    'count(otel_jcmc_pushes_total{outcome="accepted",reason=""})': 2.0,
    "count(jitsi_jcmc_connectionquality)": 2.0,
    'jitsi_jcmc_connectionquality{participant_id="ada00001"}': 97.5,
    "count(count by (instance) (otel_jcmc_build_info))": 2.0,
}


def test_counters_are_of_each_replica_and_people_are_there_once(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    replicas = two_replicas(short_path, redis_server.url)
    front, pages = free_port(), free_port()
    http = before_replicas()
    for there, here in {
        "172.30.118.21:3000": f"127.0.0.1:{replicas[0].environ['JCMC_PORT']}",
        "172.30.118.22:3000": f"127.0.0.1:{replicas[1].environ['JCMC_PORT']}",
        "listen 8080;": f"listen 127.0.0.1:{front};",
        "listen 8081;": f"listen 127.0.0.1:{pages};",
    }.items():
        assert there in http
        http = http.replace(there, here)
    (short_path / "nginx").mkdir()
    with replicas[0] as one, replicas[1] as other, running_nginx(short_path / "nginx", http, front):
        _push(one, ADA)
        _push(other, ADA)
        _push(other, BOB)
        config = moved(
            "prometheus-replicas.yaml",
            {
                "replica-a:3000, replica-b:3000": f"'{place(one)}', '{place(other)}'",
                "nginx:8081": f"127.0.0.1:{pages}",
                "alertmanager:9093": NOBODY,
            },
        )
        # As in the files, except for the intervals.
        config = config.replace("_interval: 15s", "_interval: 1s")
        config = config.replace("_timeout: 10s", "_timeout: 1s")
        with running_prometheus3(short_path / "prometheus", config) as prometheus:

            def found() -> dict[str, float]:
                answers = {each: prometheus.ask("query", query=each)["result"] for each in FOUND}
                return {
                    each: float(result[0]["value"][1]) if len(result) == 1 else len(result)
                    for each, result in answers.items()
                }

            assert until(FOUND, found) == FOUND


def _push(service: Service, body: dict[str, object]) -> None:
    assert service.push(body).body == "OK"
