# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Prometheus on loopback that scrapes a metrics file as node_exporter would show it, and evaluates the rules."""

from __future__ import annotations

import importlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
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


def _state(now: datetime) -> dict[str, t.Any]:
    """The state of a host with something to see for each panel and for most alerts."""

    def at(**offset: float) -> str:
        return (now + timedelta(**offset)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def certificate(**facts: t.Any) -> dict[str, t.Any]:
        known = {"not_after": at(days=60), "renew_at": at(days=30), "must_staple": False, "has_responder": True}
        staple, ignored = facts.pop("staple", None), facts.pop("ignored", "")
        if staple:
            ends, due = staple
            end = at(days=ends)
            staple = {
                "effective_expiry": end,
                "next_update": end,
                "this_update": at(days=ends - 7),
                "renew_at": at(days=due),
                "ignored": ignored,
            }
            facts["succeeded"] = at(days=ends - 7)
        return {"certificate": {**known, **facts.pop("certificate", {})}, "staple": staple, "failures": 0, **facts}

    run = {"ended": at(minutes=-10), "seconds": 1.25, "exit_code": 2}
    return {
        "runs": {"refresh": run, "apply": run},
        "certificates": {
            "good.example.com": certificate(
                staple=(4, 0.5), source={"client": "certbot", "certificate": "/etc/x.pem", "changed": at(days=-3)}
            ),
            "late.example.com": certificate(staple=(1, -2), failures=5, failure_code="timeout"),
            "refused.example.com": certificate(staple=(4, 0.5), failures=4, failure_code="bad_signature"),
            "new.example.com": certificate(failures=1, failure_code="not_successful"),
            "ignored.example.com": certificate(staple=(4, 0.5), ignored="haproxy ignores it"),
            "strict.example.com": certificate(
                certificate={"must_staple": True}, staple=(4, 0.5), ignored="haproxy ignores it"
            ),
            "must.example.com": certificate(certificate={"must_staple": True}, failures=7, failure_code="timeout"),
            "revoked.example.com": certificate(revoked={"time": at(days=-1), "reason": "key_compromise"}),
            "silent.example.com": certificate(certificate={"has_responder": False}),
        },
    }


@pytest.fixture(scope="session")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The metrics file that the host program would write now."""
    library = tmp_path_factory.mktemp("library")
    (library / "ocsp").symlink_to(CHECKOUT / "plugins" / "module_utils" / "ocsp")
    (library / "ocsp_stapling").symlink_to(CHECKOUT / "roles" / "ocsp_stapling" / "files" / "ocsp_stapling")
    sys.path.insert(0, str(library))
    try:
        program = importlib.import_module("ocsp_stapling.metrics")
        state = importlib.import_module("ocsp_stapling.state")
    finally:
        sys.path.remove(str(library))
    return str(program.render(state.State(_state(datetime.now(timezone.utc)))))


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
