# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Thirteen troubles on one host: status, its line for Nagios, the alerts, the journal and the playbook say the same.

With CERTOPS_TROUBLE_TABLE set to a path, the table of what was said is written there.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import time
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from conftest import CHECKOUT, Result, lab_tool, pki_tool
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from role_support import ROOT, UNITS, serve_by_nginx, wait_for_idle

sys.path.append(str(CHECKOUT / "roles" / "ocsp_stapling" / "files"))

from ocsp_stapling import troubles
from ocsp_stapling.troubles import CRITICAL, OK, WARNING, Trouble

Play = t.Callable[..., Result]

STATE = "/var/lib/ocsp-stapling"
RULES = CHECKOUT / "extensions" / "monitoring" / "prometheus" / "ocsp-stapling.rules.yml"
WEB, MUST, DOOMED, NEW = "www.example.com", "must.example.com", "doomed.example.com", "new.example.com"
NAMES = (WEB, MUST, DOOMED)
WORDS = ("OK", "WARNING", "CRITICAL")
SEVERITIES = {"warning": WARNING, "critical": CRITICAL}
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)


class Stage:
    """The host of these tests, the time at which it is looked at, and what brings it into trouble."""

    def __init__(self, lab: lab_tool.Lab, host: lab_tool.Host, pki: pki_tool.Pki, play: Play) -> None:
        self.lab = lab
        self.host = host
        self.pki = pki
        self.ahead = timedelta(0)
        self.names: tuple[str, ...] = NAMES
        self._play = play

    @property
    def now(self) -> datetime:
        return datetime.now(timezone.utc).replace(microsecond=0) + self.ahead

    def status(self, *options: str) -> tuple[int, str]:
        """The exit code of status at this time, and what it prints."""
        now = ["--now", text_of(self.now)] if self.ahead else []
        done = lab_tool.labhosts("sh", self.host.name, "ocsp-stapling", "status", *now, *options)
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout

    def play(self, check: bool = False) -> Result:
        """Run the role."""
        certificates = {"web": {"domains": self.names, "reload": ["nginx"]}}
        return self._play(
            self.host,
            check=check,
            certificates=certificates,
            source=self.pki.home,
            responder_wait=0,
            options={"retries": 0, "timeout": 2},
        )

    def refresh(self, name: str, times: int = 1) -> None:
        """Ask the responder about a certificate."""
        for _time in range(times):
            self.host.run("ocsp-stapling", "refresh", "--force", name, check=False)

    def run_timer(self) -> None:
        """Do what the timer does, and wait until all of it has ended."""
        self.start(UNITS[0])

    def start(self, unit: str) -> None:
        """Start a unit as often as it likes: systemd allows five times in ten seconds."""
        self.host.run("systemctl", "reset-failed", *UNITS, check=False)
        self.host.run("systemctl", "start", unit, check=False)
        wait_for_idle(self.host)

    def answering(self) -> t.ContextManager[None]:
        """Have the responder answer."""
        return self.lab.responder(self.pki.home)


def text_of(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


# The troubles -------------------------------------------------------------------------------------


@contextlib.contextmanager
def all_well(stage: Stage) -> t.Iterator[None]:
    stage.run_timer()
    yield


@contextlib.contextmanager
def responder_down(stage: Stage) -> t.Iterator[None]:
    stage.refresh(WEB, times=3)
    stage.run_timer()
    # Staples in place are good, so that nothing has failed.
    assert stage.host.run("systemctl", "is-failed", *UNITS, check=False).count("failed") == 0
    yield
    with stage.answering():
        stage.refresh(WEB)


@contextlib.contextmanager
def revoked(stage: Stage) -> t.Iterator[None]:
    stage.pki.revoke(DOOMED)
    with stage.answering():
        stage.refresh(DOOMED)
        stage.run_timer()
        yield
        stage.pki.issue(DOOMED, key="ec")
        assert stage.play().rc == 0


@contextlib.contextmanager
def must_staple_about_to_end(stage: Stage) -> t.Iterator[None]:
    """The responder has been down since a response of a week came, of which an hour is left."""
    begin = stage.now - WEEK + HOUR
    late = response(stage.pki, MUST, begin, begin + WEEK)
    taken = f"rm {ROOT}/live/{MUST}/ocsp.der; base64 -d > {STATE}/responses/{MUST}.der"
    stage.host.run("sh", "-c", taken, stdin=base64.b64encode(late).decode())
    stage.refresh(MUST)
    stage.run_timer()
    yield
    with stage.answering():
        stage.refresh(MUST)


@contextlib.contextmanager
def clock_off(stage: Stage) -> t.Iterator[None]:
    """It was two hours ahead during the last run."""
    stage.host.run("ocsp-stapling", "apply", "--now", text_of(stage.now + 2 * HOUR))
    stage.run_timer()
    yield
    stage.host.run("ocsp-stapling", "apply", "--trust-clock")


@contextlib.contextmanager
def foreign_file(stage: Stage) -> t.Iterator[None]:
    path = f"{STATE}/responses/{WEB}.der"
    stage.host.run("ln", "-sfn", "/etc/hostname", path)
    stage.start(UNITS[1])
    yield
    stage.host.run("rm", path)


@contextlib.contextmanager
def reload_failed(stage: Stage) -> t.Iterator[None]:
    stage.host.write("/etc/nginx/conf.d/broken.conf", "unknown_directive;\n")
    with stage.answering():
        stage.refresh(WEB)
    for _run in range(2):
        stage.run_timer()
    yield
    stage.host.run("rm", "/etc/nginx/conf.d/broken.conf")
    # The run that finds it overdue leaves it to the unit that reloads.
    stage.run_timer()


@contextlib.contextmanager
def disk_full(stage: Stage) -> t.Iterator[None]:
    stage.host.run(
        "sh",
        "-ec",
        f"cp -a {STATE} /root/state; mount -t tmpfs -o size=2M,mode=755 tmpfs {STATE}; cp -a /root/state/. {STATE}; "
        f"rm -r /root/state; dd if=/dev/zero of={STATE}/filler bs=4k 2>/dev/null || true",
    )
    stage.run_timer()
    yield
    stage.host.run("umount", STATE)


@contextlib.contextmanager
def never_deployed(stage: Stage) -> t.Iterator[None]:
    """It demands a staple, and there is none to be had."""
    stage.pki.issue(NEW, key="ec", must_staple=True)
    stage.names = (*NAMES, NEW)
    assert stage.play().rc != 0
    stage.run_timer()
    yield
    stage.names = NAMES
    assert stage.play().rc == 0


@contextlib.contextmanager
def renewal_held_back(stage: Stage) -> t.Iterator[None]:
    """It demands a staple, which the responder is not there to give; the one in place is good."""
    stage.pki.issue(MUST, key="ec", must_staple=True)
    failed = stage.play()
    assert failed.rc != 0 and f"{MUST} was not deployed: " in failed.output
    # Also before the program has run.
    assert "was held back at" in by_nagios(stage).words
    stage.run_timer()
    yield
    with stage.answering():
        assert stage.play().rc == 0


@contextlib.contextmanager
def dropped_out(stage: Stage) -> t.Iterator[None]:
    stage.names = (WEB, MUST)
    assert stage.play().rc == 0
    stage.run_timer()
    yield
    stage.names = NAMES
    with stage.answering():
        assert stage.play().rc == 0


@contextlib.contextmanager
def not_run_for_a_day(stage: Stage) -> t.Iterator[None]:
    stage.host.run("systemctl", "disable", "--now", "ocsp-stapling.timer")
    stage.ahead = 24 * HOUR
    yield
    stage.ahead = timedelta(0)
    stage.host.run("systemctl", "enable", "--now", "ocsp-stapling.timer")
    wait_for_idle(stage.host)


@contextlib.contextmanager
def configuration_broken(stage: Stage) -> t.Iterator[None]:
    stage.host.write(f"{ROOT}/conf.d/mine.json", '{\n "workers": 0}')
    stage.run_timer()
    yield
    stage.host.run("rm", f"{ROOT}/conf.d/mine.json")


def response(pki: pki_tool.Pki, name: str, begin: datetime, end: datetime) -> bytes:
    """What the responder said at another time than now."""
    certificate, issuer, responder = (
        x509.load_pem_x509_certificate(path.read_bytes())
        for path in (pki.leaf(name).certificate, pki.issuer, pki.responder_certificate)
    )
    key = serialization.load_pem_private_key(pki.responder_key.read_bytes(), None)
    builder = ocsp.OCSPResponseBuilder().add_response(
        certificate, issuer, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD, begin, end, None, None
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, responder).certificates([responder])
    return builder.sign(t.cast("t.Any", key), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


# What is said -------------------------------------------------------------------------------------


class Said(t.NamedTuple):
    """How bad it is by one of those who speak, and its words."""

    level: int
    words: str


def by_status(stage: Stage) -> tuple[Said, list[str]]:
    """What status says, and what it calls the troubles."""
    code, words = stage.status()
    found = json.loads(stage.status("--json")[1])
    assert found["level"] == code
    named = [*found["troubles"], *(entry["trouble"] for entry in found["certificates"].values())]
    # The heading, the table, and the sentences below it.
    sentences = words.split("\n\n")[2:]
    return Said(code, " ".join(" ".join(sentences).split()) or "nothing"), [name for name in named if name]


def by_nagios(stage: Stage) -> Said:
    """What status says as a plugin."""
    code, line = stage.status("--nagios")
    assert line.startswith(f"OCSP {WORDS[code]} - "), line
    return Said(code, line.partition(" - ")[2].rpartition(" | ")[0])


def by_alerts(stage: Stage, folder: Path) -> tuple[Said, dict[str, str]]:
    """The alerts that are raised, or will be when this has lasted, each with the certificate that it names."""
    text = stage.host.read(f"{STATE}/metrics/ocsp_stapling.prom")
    raised = evaluate(text, stage.now, folder)
    found = {labels["alertname"]: labels.get("name", "") for labels in raised}
    levels = [SEVERITIES[labels["severity"]] for labels in raised]
    return Said(max(levels, default=OK), ", ".join(f"{alert} {name}".strip() for alert, name in found.items())), found


def by_exit_codes(stage: Stage) -> int:
    """The worse of the exit codes of refresh and apply."""
    text = stage.host.read(f"{STATE}/metrics/ocsp_stapling.prom")
    return max(int(code) for code in re.findall(r"^ocsp_stapling_last_run_exit_code\{.*\} (\d+)$", text, re.M))


def evaluate(metrics: str, now: datetime, folder: Path) -> list[dict[str, str]]:
    """The labels of the alerts for a metrics file at a time, as promtool finds them without their waiting.

    For promtool it is five minutes after the beginning of time, so that all times are moved there.
    """
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    rules = [{key: rule[key] for key in ("alert", "expr", "labels")} for rule in rules]
    series = [{"series": 'up{instance="host", job="node"}', "values": "1+0x5"}]
    for line in metrics.splitlines():
        if line.startswith("#"):
            continue
        name, value = line.rsplit(" ", 1)
        number = float(value) - (now.timestamp() - 300 if "_timestamp_seconds{" in name else 0)
        labelled = name.replace("{", '{instance="host", job="node", ')
        series.append({"series": labelled, "values": f"{number:.0f}+0x5"})
    tests = [{"alertname": rule["alert"], "eval_time": "5m", "exp_alerts": []} for rule in rules]
    (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "troubles", "rules": rules}]}))
    suite = {"interval": "1m", "input_series": series, "alert_rule_test": tests}
    (folder / "test.yml").write_text(
        json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [suite]})
    )
    done = subprocess.run(
        ["promtool", "test", "rules", str(folder / "test.yml")], capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    found = [dict(re.findall(r'(\w+)="([^"]*)"', labels)) for labels in re.findall(r"Labels:\{(.*)\}", output)]
    assert bool(found) == (done.returncode != 0), output
    return found


def by_journal(stage: Stage, since: float) -> Said:
    """The worst line of the journal since a moment."""
    shown = stage.host.run("journalctl", "-t", "ocsp-stapling", "-o", "json", "--no-pager", f"--since=@{since:.6f}")
    entries = [json.loads(line) for line in shown.splitlines()]
    wrong = [(int(entry["PRIORITY"]), entry["MESSAGE"]) for entry in entries if int(entry["PRIORITY"]) < 5]
    priority, words = min(wrong, key=lambda one: one[0], default=(6, ""))
    return Said(CRITICAL if priority < 3 else WARNING if wrong else OK, words)


def by_play(stage: Stage) -> Said:
    """What a playbook says that would change nothing but what is wrong."""
    played = stage.play(check=True)
    failures = re.findall(r'"msg": \[(.*?)\]', played.output) + re.findall(r'"msg": "(.*)"', played.output)
    changes = re.findall(r": ([^:\n]*)\] \*+\nchanged: ", played.output)
    status = re.search(r"; ocsp-stapling status: (WARNING|CRITICAL) - ", played.output)
    wrong = played.rc != 0 or played.count("changed")
    return Said(WORDS.index(status.group(1)) if status else WARNING if wrong else OK, "; ".join(failures + changes))


# The table ----------------------------------------------------------------------------------------


class Case(t.NamedTuple):
    """A trouble: how it is made, and by what each of those who speak of it names it.

    ``troubles`` are what status calls it, and ``beside`` what alerts say as well, since each stands for itself.
    """

    make: t.Callable[[Stage], t.ContextManager[None]]
    troubles: tuple[Trouble, ...]
    subject: str = ""
    beside: tuple[Trouble, ...] = ()

    @property
    def level(self) -> int:
        return max((trouble.level for trouble in self.troubles), default=OK)

    @property
    def of_staples(self) -> int:
        """How bad that is for those who see to staples: refresh and apply deploy nothing."""
        return OK if self.troubles == (troubles.RENEWAL_NOT_LIVE,) else self.level


CASES: dict[str, Case] = {
    "responder down": Case(responder_down, (troubles.RESPONDER_FAILING,), WEB),
    "revoked": Case(revoked, (troubles.REVOKED,), DOOMED),
    "must-staple about to expire": Case(
        must_staple_about_to_end, (troubles.MUST_STAPLE_EXPIRING,), MUST, beside=(troubles.NOT_RENEWED,)
    ),
    "wrong clock": Case(clock_off, (troubles.CLOCK,), "this host's clock says"),
    "foreign file": Case(foreign_file, (troubles.FOREIGN_FILE,), f"{WEB}.der is a symbolic link"),
    "reload failed": Case(reload_failed, (troubles.NOT_RELOADED,), "nginx"),
    "disk full": Case(disk_full, (troubles.RUN_FAILED,), STATE),
    "never deployed": Case(never_deployed, (troubles.NOT_DEPLOYED,), NEW),
    "renewal held back": Case(renewal_held_back, (troubles.RENEWAL_NOT_LIVE,), MUST),
    "no longer configured": Case(
        dropped_out, (troubles.NOT_CONFIGURED,), f"{DOOMED}: its role or play no longer configures it"
    ),
    # refresh and apply.
    "not run for a day": Case(not_run_for_a_day, (troubles.NOT_RUNNING, troubles.NOT_RUNNING), "timer"),
    "configuration broken": Case(configuration_broken, (troubles.RUN_FAILED,), f"{ROOT}/conf.d/mine.json, line 2"),
    "all well": Case(all_well, ()),
}


@pytest.fixture(scope="module")
def hosts(lab: lab_tool.Lab) -> t.Iterator[dict[str, lab_tool.Host]]:
    """The host that the tests of this file share, when it is there."""
    found: dict[str, lab_tool.Host] = {}
    yield found
    for one in found.values():
        lab.remove(one)


@pytest.fixture
def stage(lab: lab_tool.Lab, hosts: dict[str, lab_tool.Host], lab_pki: pki_tool.Pki, play: Play) -> Stage:
    """A host where all is well, set up when it is first asked for."""
    if hosts:
        return Stage(lab, hosts["troubled"], lab_pki, play)
    hosts["troubled"] = lab.add("troubled", ("nginx",))
    made = Stage(lab, hosts["troubled"], lab_pki, play)
    for name in NAMES:
        lab_pki.issue(name, key="ec", must_staple=name == MUST)
    with made.answering():
        done = made.play()
    assert done.rc == 0, done.output
    serve_by_nginx(made.host, *NAMES)
    return made


def tell(trouble: str, said: t.Mapping[str, Said]) -> None:
    """Note a trouble in the table."""
    path = os.environ.get("CERTOPS_TROUBLE_TABLE")
    if path:
        with open(path, "a") as table:
            table.write(f"{trouble}\n")
            for speaker, one in said.items():
                table.write(f"  {speaker:8} {WORDS[one.level]:9} {one.words}\n")


def test_the_guide_has_the_troubles() -> None:
    """With the severity and the alert of each."""
    guide = (CHECKOUT / "docs" / "docsite" / "rst" / "operations.rst").read_text()
    table = guide.partition(".. BEGIN troubles\n")[2].partition(".. END troubles\n")[0]
    rows = re.findall(r"^   \* - (.*)\n     - (\w+)[;,](?:.*\n)(?: {7}.*\n)*     - (\w+?)_?\n", table, re.MULTILINE)
    words = {OK: "nothing", WARNING: "warning", CRITICAL: "critical"}
    assert rows == [
        (name, words[case.level], case.troubles[0].alert if case.troubles else "none") for name, case in CASES.items()
    ]


@pytest.mark.parametrize("trouble", CASES)
def test_all_who_speak_of_a_trouble_say_the_same(stage: Stage, trouble: str, tmp_path: Path) -> None:
    """The same severity of the same certificate or condition, and when it is over, that all is well."""
    case = CASES[trouble]
    since = time.time()
    with case.make(stage):
        status, named = by_status(stage)
        alerts, raised = by_alerts(stage, tmp_path)
        said = {
            "status": status,
            "nagios": by_nagios(stage),
            "alerts": alerts,
            "journal": by_journal(stage, since),
            "play": by_play(stage),
        }
        exit_code = by_exit_codes(stage)
    stage.run_timer()
    tell(trouble, said)

    assert named == [one.name for one in case.troubles]
    assert set(raised) == {one.alert for one in (*case.troubles, *case.beside)}
    assert set(raised.values()) <= {"", case.subject}
    if case.make is not_run_for_a_day:
        # What does not run writes nothing.
        assert said.pop("journal") == Said(OK, "") and exit_code == 0
    else:
        assert (exit_code == 0, exit_code == 2) == (case.of_staples == OK, case.of_staples == CRITICAL)
    assert {speaker: one.level for speaker, one in said.items()} == dict.fromkeys(said, case.level), said
    assert [speaker for speaker, one in said.items() if speaker != "alerts" and case.subject not in one.words] == []
    assert by_nagios(stage) == Said(OK, "3 certificates: all is well")
    assert by_alerts(stage, tmp_path)[0] == Said(OK, "")


def test_why_a_renewed_certificate_has_no_staple_is_said_at_once(stage: Stage) -> None:
    """By all who speak of it, as the play does: nothing listens where its responder should be."""
    since = time.time()
    stage.pki.issue(WEB, key="ec")
    played = stage.play()
    why = re.search(rf"{WEB}: there is no staple yet: (.*?: Connection refused)", " ".join(played.output.split()))
    assert played.rc == 0 and why, played.output
    said = [by_nagios(stage), by_status(stage)[0]]
    entry = json.loads(stage.status("--json")[1])["certificates"][WEB]
    stage.host.run("ocsp-stapling", "apply", check=False)
    wait_for_idle(stage.host)
    said += [by_nagios(stage), by_journal(stage, since), by_play(stage)]
    with stage.answering():
        stage.refresh(WEB)
        stage.run_timer()
    assert (entry["trouble"], entry["reason"]) == ("staple_missing", "unreachable")
    assert [one for one in said if "Connection refused" not in one.words or one.level != WARNING] == []
    assert by_nagios(stage) == Said(OK, "3 certificates: all is well")
