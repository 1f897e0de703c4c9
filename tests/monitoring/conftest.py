# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Prometheus on loopback that scrapes a metrics file as node_exporter would show it, and evaluates the rules."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
RULES = CHECKOUT / "extensions" / "monitoring" / "prometheus" / "ocsp-stapling.rules.yml"
_PATIENCE = 60

_CONFIGURATION = """\
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [{rules}]
scrape_configs:
  - job_name: node
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""


class Prometheus:
    """The HTTP API of a running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> t.Any:
        """The data that an endpoint of the API returns; raises ValueError with what it says is wrong."""
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=_PATIENCE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"{path} {parameters}: {error.read().decode()}") from None

    def query(self, expression: str) -> list[dict[str, t.Any]]:
        """The result of an instant query."""
        return t.cast("list[dict[str, t.Any]]", self.get("query", query=expression)["result"])

    def query_range(self, expression: str) -> list[dict[str, t.Any]]:
        """The result of a query over the last minute."""
        now = time.time()
        found = self.get("query_range", query=expression, start=str(now - 60), end=str(now), step="1")
        return t.cast("list[dict[str, t.Any]]", found["result"])


def _metrics(now: float) -> str:
    """A metrics file with something to see for each panel and for most alerts."""
    day = 86400
    good = {"expiry": now + 4 * day, "renew": now + day / 2, "in_place": 1}
    certificates: dict[str, dict[str, t.Any]] = {
        "good.example.com": good,
        "late.example.com": {"expiry": now + day, "renew": now - 2 * day, "in_place": 1, "failures": ("timeout", 5)},
        "refused.example.com": {**good, "failures": ("bad_signature", 4)},
        "new.example.com": {"failures": ("not_successful", 1)},
        "must.example.com": {"failures": ("timeout", 7), "must_staple": 1},
        "revoked.example.com": {"revoked": 1},
        "silent.example.com": {"responder": 0},
    }
    values: dict[str, list[tuple[str, float]]] = {}

    def add(metric: str, value: t.Optional[float], **labels: str) -> None:
        if value is not None:
            text = ",".join(f'{label}="{content}"' for label, content in labels.items())
            values.setdefault(f"ocsp_stapling_{metric}", []).append((text, value))

    for name, facts in certificates.items():
        expiry = facts.get("expiry")
        add("response_expiry_timestamp_seconds", expiry, name=name)
        add("response_this_update_timestamp_seconds", expiry and expiry - 7 * day, name=name)
        add("response_next_update_timestamp_seconds", expiry, name=name)
        add("response_renew_timestamp_seconds", facts.get("renew"), name=name)
        add("last_success_timestamp_seconds", expiry and expiry - 7 * day, name=name)
        if "failures" in facts:
            add("consecutive_failures", facts["failures"][1], name=name, code=facts["failures"][0])
        add("staple_in_place", facts.get("in_place", 0), name=name)
        add("certificate_must_staple", facts.get("must_staple", 0), name=name)
        add("certificate_revoked", facts.get("revoked", 0), name=name)
        add("certificate_has_responder", facts.get("responder", 1), name=name)
        add("certificate_expiry_timestamp_seconds", now + 60 * day, name=name)
    for command in ("refresh", "apply"):
        add("last_run_timestamp_seconds", now - 600, command=command)
        add("last_run_duration_seconds", 1.25, command=command)
        add("last_run_exit_code", 2, command=command)
    add("build_info", 1, version="1.0.0")
    lines = []
    for metric, series in values.items():
        lines += [f"# HELP {metric} See the operations guide.", f"# TYPE {metric} gauge"]
        lines += [f"{metric}{{{labels}}} {value}" for labels, value in series]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def metrics() -> str:
    """A metrics file of now."""
    return _metrics(time.time())


@pytest.fixture(scope="session")
def exporter(metrics: str) -> t.Iterator[int]:
    """The port of a server that shows the metrics, as node_exporter does with the file of its textfile collector."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = metrics.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: t.Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def prometheus(exporter: int, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Prometheus]:
    """Prometheus with the alert rules, once it has scraped the metrics."""
    folder = tmp_path_factory.mktemp("prometheus")
    configuration = folder / "prometheus.yml"
    configuration.write_text(_CONFIGURATION.format(rules=RULES, port=exporter))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
    try:
        running = Prometheus(f"http://127.0.0.1:{port}")
        _wait_for_data(running, process, log)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=_PATIENCE)


def _wait_for_data(prometheus: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if prometheus.query('ALERTS{alertname="OcspCertificateRevoked"}'):
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.2)
    raise AssertionError(f"Prometheus has scraped nothing: {log.read_text()}")
