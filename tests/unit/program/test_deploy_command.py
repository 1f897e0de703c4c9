# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``deploy``: what another program renewed goes live with its staple, or the live certificate stays and it is said."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import types
import typing as t
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import parts, sets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import format_time
from ansible_collections.certops.ocsp.tests.unit import forge
from ansible_collections.certops.ocsp.tests.unit.forge import DAY, Entity
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from ansible_collections.certops.ocsp.tests.unit.program import host as hosts
from ansible_collections.certops.ocsp.tests.unit.program.host import Host, Result

NAME = "www.example.com"
ACCESS = sets.Access(os.geteuid(), os.getegid(), 0o400).shown


class Client:
    """Another program of the host, with one certificate in a folder of its own."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.folder = host.home / "client"
        self.folder.mkdir(mode=0o700)
        self.layout = sets.Layout(str(host.root), str(host.state))
        self.reloads = host.home / "reloads"
        host.now = datetime.now(timezone.utc).replace(microsecond=0)

    @property
    def key(self) -> Path:
        return self.folder / "privkey.pem"

    @property
    def certificate(self) -> Path:
        return self.folder / "fullchain.pem"

    def files(self) -> t.List[str]:
        """The options that name them."""
        return ["--key", str(self.key), "--certificate", str(self.certificate)]

    def renew(self, age: int = 0, label: str = "", must_staple: bool = False, chain: bytes = b"") -> Entity:
        """Get another certificate, issued so many days ago."""
        start = self.host.now - age * DAY
        leaf = self.host.issue(
            NAME,
            must_staple,
            names=[NAME],
            not_before=start,
            not_after=start + 60 * DAY,
            private_key=forge.key("p256", label),
        )
        self.key.write_bytes(forge.private_pem(leaf.key))
        self.certificate.write_bytes(leaf.pem + (chain or forge.world().issuer.pem))
        for path in (self.key, self.certificate):
            os.utime(path, (1, 1))  # long ago: it is not just being written
        return leaf

    def configure(self, renewed: bool = True, **deployment: t.Any) -> None:
        """What the role writes."""
        source = {"client": "certbot", "private_key": str(self.key), "certificate": str(self.certificate)}
        one = parts.Certificate(
            NAME,
            ("web",),
            options={"retries": 0},
            agreed={"names": [NAME], "key": ACCESS},
            renewed_by=source if renewed else {},
        )
        web = {"reload": ["/bin/sh", "-c", f"echo web >> {self.reloads}"], "test": ["/bin/true"]}
        part = parts.Part("web", (one,), {}, {"web": web}, {"responder_wait": 0, **deployment})
        parts.save(self.layout, part)
        self.host.configure()

    def live(self) -> bytes:
        """The certificate that servers read."""
        return (self.host.root / "live" / NAME / "cert.pem").read_bytes()

    def request(self, name: str = NAME) -> Path:
        return self.host.state / "renewals" / f"{name}.json"

    def deploy(self, *arguments: str) -> Result:
        return self.host.run("deploy", *arguments)


@pytest.fixture
def client(host: Host, monkeypatch: pytest.MonkeyPatch) -> Client:
    from ocsp_stapling.commands import deploy

    monkeypatch.setattr(deploy, "_PAUSE", 0.05)
    made = Client(host)
    made.configure()
    return made


@pytest.fixture
def live(client: Client) -> Client:
    """The same, with what it had first live."""
    client.renew(age=30)
    assert client.deploy(NAME).code == 0
    return client


def test_a_renewal_goes_live_with_its_staple(live: Client) -> None:
    new = live.renew()
    done = live.deploy(NAME, "--json")
    assert done.code == 0, done.err
    assert live.live() == new.pem
    assert live.host.staple(NAME) and json.loads(done.out)["certificates"][NAME] == {
        "outcome": "deployed",
        "changed": True,
        "failed": False,
        "stapled": True,
        "sha256": json.loads(done.out)["certificates"][NAME]["sha256"],
        "msg": json.loads(done.out)["certificates"][NAME]["msg"],
    }
    assert f"{NAME}: the certificate in {live.certificate}, which expires at " in done.err
    assert live.reloads.read_text().split() == ["web", "web"]
    again = live.deploy(NAME)
    assert again.code == 0 and "it is live already" in again.err
    assert live.reloads.read_text().split() == ["web", "web"]


def test_the_state_says_at_once_what_is_live_and_where_it_is_from(live: Client) -> None:
    live.renew()
    live.deploy(NAME)
    known = live.host.known(NAME)
    assert known["code"] == "" and known["staple"] is not None
    assert known["source"] == {
        "client": "certbot",
        "certificate": str(live.certificate),
        "changed": "1970-01-01T00:00:01Z",
    }


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda c: c.key.write_bytes(forge.private_pem(forge.key("p256", "other"))), "does not match the certificate"),
        (lambda c: c.renew(chain=forge.world().root.pem), "issuer"),
        (lambda c: c.certificate.write_text("nonsense"), "fullchain.pem"),
        (lambda c: c.key.unlink(), "there is no "),
        (lambda c: c.certificate.write_bytes(b"x" * 40_000_000), "octets"),
    ],
)
def test_a_broken_renewal_is_refused(live: Client, spoil: t.Callable[[Client], t.Any], sentence: str) -> None:
    before = live.live()
    live.renew(label="new")
    spoil(live)
    for path in live.folder.iterdir():
        os.utime(path, (1, 1))
    done = live.deploy(NAME)
    assert done.code == 1 and live.live() == before
    assert f"{NAME}: the renewed certificate is not live: " in done.err and sentence in done.err
    assert "the old certificate stays in use" in done.err
    assert "PRIVATE KEY" not in done.err and "Traceback" not in done.err


def test_a_revoked_renewal_is_held_back(live: Client) -> None:
    before = live.live()
    live.renew()
    live.host.maker = hosts.revoked
    done = live.deploy(NAME)
    assert done.code == 1 and live.live() == before and "revoked" in done.err


def test_a_responder_that_does_not_know_it_yet_is_asked_again(live: Client) -> None:
    live.configure(responder_wait=60)
    new, before = live.renew(), live.live()
    seen: t.List[bytes] = []

    def slow_to_learn(leaf: Entity, now: datetime) -> bytes:
        seen.append(live.live())
        return hosts.good(leaf, now) if len(seen) > 12 else forge.error_response("unauthorized")

    live.host.maker = slow_to_learn
    done = live.deploy(NAME)
    assert done.code == 0, done.err
    assert set(seen) == {before} and live.live() == new.pem and live.host.staple(NAME)
    assert done.err.count("the responder has no answer for the new certificate yet") == 1


@pytest.mark.parametrize("must_staple", [False, True])
def test_without_an_answer_in_time(live: Client, must_staple: bool) -> None:
    before, new = live.live(), live.renew(must_staple=must_staple)
    live.host.maker = lambda leaf, now: forge.error_response("unauthorized")
    done = live.deploy(NAME)
    assert (done.code, live.live()) == ((1, before) if must_staple else (2, new.pem)), done.err


def test_a_hook_returns_at_once_and_the_next_run_deploys(live: Client) -> None:
    before, new = live.live(), live.renew()
    handed = live.deploy("lineage-0001", "--hook", *live.files())
    assert handed.code == 0 and live.live() == before and live.request().exists()
    done = live.host.run("apply")
    assert done.code == 0 and live.live() == new.pem and not live.request().exists()


def test_a_hook_for_a_certificate_of_others_does_nothing(live: Client) -> None:
    done = live.deploy("other.example.com", "--hook", "--key", "/nonexistent/a", "--certificate", "/nonexistent/b")
    assert done.code == 0 and "the role does not deploy other.example.com on this host" in done.err
    assert not list(live.request().parent.glob("*"))


def test_a_renewal_that_no_hook_told_is_deployed_by_its_name(live: Client) -> None:
    leaf = live.renew()
    assert live.deploy("--renewed", NAME).code == 0
    assert live.live() == leaf.pem
    again = live.deploy("--renewed", NAME)
    assert again.code == 0 and "it is live already" in again.err


def test_a_name_that_is_not_configured_is_told(live: Client) -> None:
    wrong = live.deploy("--renewed", "ww.example.com")
    assert wrong.code == 64 and f"did you mean {NAME}" in wrong.err
    # What the role no longer deploys may still be requested.
    live.request("gone.example.com").parent.mkdir(exist_ok=True)
    live.request("gone.example.com").write_text("{}")
    assert live.deploy("--renewed", "gone.example.com").code == 0 and not live.request("gone.example.com").exists()


def test_apply_finds_what_no_hook_told(live: Client) -> None:
    new = live.renew()
    seen = live.host.run("apply", "--no-reload")
    assert f"the certificate in {live.certificate}, changed at 1970-01-01T00:00:01Z, is not live yet" in seen.err
    assert live.live() != new.pem and live.request().exists(), "a unit of its own deploys it"
    done = live.deploy("--renewed")
    assert done.code == 0 and live.live() == new.pem and not live.request().exists()
    assert "is not live yet" not in live.host.run("apply").err


def test_a_file_of_any_age_ends_no_run(live: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems let whoever owns a file date it to any year, and Python has no more than 9999."""
    stat = os.stat

    def dated(path: t.Any, *arguments: t.Any, **options: t.Any) -> os.stat_result:
        found = stat(path, *arguments, **options)
        return os.stat_result((*found[:8], 2**40, found[9])) if path == str(live.certificate) else found

    live.renew()
    monkeypatch.setattr(os, "stat", dated)
    done = live.host.run("apply", "--no-reload")
    assert done.code == 0 and "internal error" not in done.err and live.request().exists()
    assert live.host.known(NAME)["source"]["changed"] is None


def test_a_defect_at_the_source_of_one_certificate_ends_no_run(live: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from ocsp_stapling import renewals

    def defect(_watch: t.Any, _name: str) -> t.Any:
        raise KeyError("planted")

    monkeypatch.setattr(renewals.Watch, "values", defect)
    done = live.host.run("apply", "--no-reload")
    assert done.code == 1 and f"{NAME}: " in done.err and "internal error (KeyError: 'planted')" in done.err
    assert live.host.known(NAME)["staple"] is not None, "the state was written"


def test_a_folder_for_requests_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    from ocsp.errors import FileError
    from ocsp_stapling import renewals

    (tmp_path / "renewals").write_text("no folder")
    folders = types.SimpleNamespace(state=str(tmp_path))
    with pytest.raises(FileError, match=f"^cannot create {tmp_path}/renewals: File exists$"):
        renewals.note(folders, "www.example.com")


def test_an_older_certificate_never_replaces_a_newer_one(live: Client) -> None:
    live.renew()
    live.deploy(NAME)
    before = live.live()
    old = live.renew(age=10, label="old")
    assert live.host.run("apply").code == 0 and live.live() == before
    kept = live.deploy(NAME)
    assert kept.code == 0 and live.live() == before and "is older than the live one" in kept.err
    # By name, with its files, somebody goes back to it on purpose.
    forced = live.deploy(NAME, *live.files())
    assert forced.code == 0 and live.live() == old.pem


def test_a_service_that_rejects_its_configuration_keeps_the_old_one(live: Client) -> None:
    before = live.live()
    (part,) = parts.load(live.layout)
    web = {**part.services["web"], "test": ["/bin/sh", "-c", f"! grep -q {live.renew().serial:X} /dev/null; exit 1"]}
    parts.save(live.layout, parts.Part("web", part.certificates, {}, {"web": web}, part.deployment))
    done = live.deploy(NAME)
    assert done.code == 1 and live.live() == before and "configuration of web" in done.err


@pytest.mark.parametrize("step", ["tell", "verify"])
def test_what_fails_after_the_switch_does_not_deny_it(live: Client, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    from ocsp_stapling.commands import deploy

    new = live.renew()
    tell, carry_out = deploy.reloading.tell, deploy.certificate_set.carry_out
    raised: t.List[str] = []

    def busy(*arguments: t.Any, **options: t.Any) -> bool:
        if raised:
            return tell(*arguments, **options)
        raised.append("once")
        raise deploy.OcspError("file_error", "another process has held the lock LOCK for 300 seconds")

    def unable(task: t.Any) -> t.Any:
        verifying = task.values.get("state") == "verify"
        return deploy.Result({"msg": "the disk is full"}, failed=True) if verifying else carry_out(task)

    if step == "tell":
        monkeypatch.setattr(deploy.reloading, "tell", busy)
    else:
        monkeypatch.setattr(deploy.certificate_set, "carry_out", unable)
    done = live.deploy(NAME)
    assert live.live() == new.pem and done.code == 0
    assert (
        "is not live" not in done.err
        and f"which expires at {format_time(live.host.now + 60 * DAY)}, is live" in done.err
    )
    if step == "tell":
        assert "web could not be reloaded: another process has held the lock" in done.err
        assert live.reloads.read_text().split() == ["web", "web"]  # by apply, which follows
    else:
        assert "what is served could not be checked: the disk is full" in done.err


@pytest.mark.parametrize("error", ["file", "internal"])
def test_what_ends_the_deployment_after_the_switch_does_not_deny_it(
    live: Client, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    from ocsp_stapling.commands import deploy

    new = live.renew()
    live.request().parent.mkdir(exist_ok=True)
    live.request().write_text('{"version": 1}')
    raised = deploy.OcspError("file_error", "the disk is full") if error == "file" else KeyError("planted")
    reason = "the disk is full" if error == "file" else "internal error (KeyError: 'planted')"

    def fail(*_arguments: t.Any) -> None:
        raise raised

    with monkeypatch.context() as patch:
        patch.setattr(deploy.certificate_set.transaction, "prune", fail)
        done = live.deploy("--renewed", "--json")
    assert live.live() == new.pem and done.code == 1
    assert "is not live" not in done.err and "the old certificate" not in done.err
    assert f"{NAME}: the renewed certificate is live, but not all was done: {reason}" in done.err
    (told,) = json.loads(done.out)["certificates"].values()
    assert told["outcome"] == "deployed" and told["changed"] and told["failed"]
    assert live.request().exists(), "the next run goes on"
    again = live.deploy("--renewed")
    assert again.code == 0 and not live.request().exists()


def test_what_was_deployed_is_in_the_state_although_the_run_ends_with_an_error(
    live: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where another run holds the lock for longer than this one waits."""
    from ocsp_stapling.commands import deploy

    new = live.renew()
    for name in (NAME, "zzz.example.com"):
        live.request(name).parent.mkdir(exist_ok=True)
        live.request(name).write_text('{"version": 1}')
    lock_file = deploy.files.lock_file
    calls: t.List[str] = []

    def busy(path: str, what: str, timeout: float, **options: t.Any) -> t.Any:
        calls.append(path)
        if path.endswith(".deploy.lock") and calls.count(path) == 2:
            raise deploy.files.FileError("another process has held the lock LOCK for 300 seconds")
        return lock_file(path, what, timeout, **options)

    monkeypatch.setattr(deploy.files, "lock_file", busy)
    done = live.deploy("--renewed")
    assert done.code not in (0, 1, 2) and "another process has held the lock LOCK" in done.err
    assert live.live() == new.pem
    assert live.host.known(NAME)["certificate"]["sha256"] == hashlib.sha256(new.der).hexdigest()


def test_a_defect_at_one_certificate_stops_no_other(live: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from ocsp_stapling.commands import deploy

    new = live.renew()
    for name in ("a.example.com", NAME):
        write_request = live.request(name)
        write_request.parent.mkdir(exist_ok=True)
        write_request.write_text('{"version": 1}')
    real = deploy.parts.is_given

    def defect(found: t.Any, name: str) -> bool:
        if name != NAME:
            raise KeyError("planted")
        return real(found, name)

    both = {name: deploy.renewed.sources(parts.load(live.layout))[NAME] for name in ("a.example.com", NAME)}
    monkeypatch.setattr(deploy.renewed, "sources", lambda _parts: both)
    monkeypatch.setattr(deploy.parts, "is_given", defect)
    done = live.deploy("--renewed")
    assert done.code == 1 and live.live() == new.pem
    assert "a.example.com: the renewed certificate is not live: internal error (KeyError: 'planted')" in done.err
    assert live.request("a.example.com").exists() and not live.request().exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no certificate given"),
        (["other.example.com"], "there is no certificate other.example.com in the configuration"),
        ([NAME, "--key", "/a"], "--key and --certificate belong together"),
        ([NAME, "--chain", "/a"], "--chain needs --key and --certificate"),
        (["--renewed", "--hook"], "--renewed takes no files"),
    ],
)
def test_what_makes_no_sense_is_said(live: Client, arguments: t.List[str], sentence: str) -> None:
    done = live.deploy(*arguments)
    assert done.code == 64 and sentence in done.err


def test_without_renewed_by_files_have_to_be_given(live: Client) -> None:
    live.configure(renewed=False)
    for switches, said in (((), ""), (("--renewed",), " instead of --renewed")):
        refused = live.deploy(NAME, *switches)
        assert refused.code == 64
        assert f"has no renewed_by in the role's variables; give --key and --certificate{said} [" in refused.err
    new = live.renew()
    assert live.deploy(NAME, *live.files()).code == 0 and live.live() == new.pem


@AS_ROOT
def test_a_link_of_a_tenant_leads_to_no_key_of_root(live: Client) -> None:
    before, secret = live.live(), live.host.home / "secret.key"
    live.renew()
    secret.write_bytes(live.key.read_bytes())
    live.key.unlink()
    live.key.symlink_to(secret)
    os.lchown(live.key, 65534, 65534)
    os.chown(live.folder, 65534, 65534)
    done = live.deploy(NAME)
    assert done.code == 1 and live.live() == before and "is reached by a symbolic link" in done.err


def test_refresh_reads_nothing_of_the_other_program(live: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    opened: t.List[str] = []
    for module, name in ((os, "open"), (io, "open"), (os, "stat"), (os, "listdir")):
        original = getattr(module, name)

        def watching(path: t.Any, *given: t.Any, _original: t.Any = original, **more: t.Any) -> t.Any:
            opened.append(str(path))
            return _original(path, *given, **more)

        monkeypatch.setattr(module, name, watching)
    assert live.host.run("refresh", "--force").code == 0
    assert opened and not [path for path in opened if path.startswith(str(live.folder))]


def test_status_says_why_a_renewal_is_not_live_until_it_is(live: Client) -> None:
    key = live.key.read_bytes()
    live.renew(label="new")
    good, fits = live.certificate.read_bytes(), live.key.read_bytes()
    live.key.write_bytes(key)
    assert live.host.run("apply").code == 1
    shown = live.host.run("status", NAME)
    assert "a renewed certificate that is valid until" in shown.out and "was refused at" in shown.out
    assert "renewed by:    certbot" in shown.out and f"from:          {live.certificate}" in shown.out
    assert live.host.run("status", "--nagios").out.startswith("OCSP WARNING")
    metrics = (live.host.state / "metrics" / "ocsp_stapling.prom").read_text()
    assert f'ocsp_stapling_renewal_not_live{{name="{NAME}"}} 1\n' in metrics
    again = live.host.run("apply")
    assert again.code == 1 and again.err.count("is not live") == 1
    live.key.write_bytes(fits)
    assert live.host.run("apply").code == 0 and live.certificate.read_bytes() == good
    assert live.host.run("status", "--nagios").out.startswith("OCSP OK")


def test_without_verification_nothing_is_left_to_be_taken_back(live: Client) -> None:
    live.configure(verify=False)
    new = live.renew()
    assert live.deploy(NAME).code == 0 and live.live() == new.pem
    assert not os.path.exists(live.layout.transaction)


def test_what_comes_back_is_no_longer_told_as_refused(live: Client) -> None:
    before = live.certificate.read_bytes()
    live.certificate.unlink()
    assert live.host.run("apply").code == 1
    assert f"there is no {live.certificate}" in " ".join(live.host.run("status").out.split())
    live.certificate.write_bytes(before)
    assert live.host.run("apply").code == 0
    assert live.host.run("status", "--nagios").out.startswith("OCSP OK") and not live.request().exists()


def test_a_request_for_what_the_role_no_longer_deploys_is_dropped(live: Client) -> None:
    live.deploy(NAME, "--hook", *live.files())
    request = json.loads(live.request().read_text())
    live.request("gone.example.com").write_text(json.dumps({**request, **dict.fromkeys(("private_key",), "/a")}))
    live.request("odd.example.com").write_text("{")
    done = live.deploy("--renewed")
    assert done.code == 0 and not list(live.request().parent.glob("*")), done.err
    assert "the role no longer deploys it" in done.err


def test_a_file_of_several_certificates_is_deployed_for_all(live: Client) -> None:
    other = "web.example.com"
    (part,) = parts.load(live.layout)
    (one,) = part.certificates
    twin = parts.Certificate(other, (), options=one.options, agreed=one.agreed, renewed_by=one.renewed_by)
    parts.save(live.layout, parts.Part("web", (one, twin), {}, part.services, part.deployment))
    new = live.renew()
    live.deploy("lineage", "--hook", *live.files())
    assert live.request().exists() and live.request(other).exists()
    assert live.deploy("--renewed").code == 0
    assert {Path(live.layout.live(name), "cert.pem").read_bytes() for name in (NAME, other)} == {new.pem}


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_works_where_who_starts_it_has_closed_its_output(live: Client, closed: str) -> None:
    """As certmonger does for its hooks."""
    live.renew()
    host = live.host
    arguments = host.arguments("deploy", NAME, "--hook", *live.files())
    script = f'exec {closed}; exec /bin/sh {hosts.LAUNCHER} "$@"'
    environment = {
        "PATH": os.environ["PATH"],
        "OCSP_STAPLING_LIB": str(host.library),
        "OCSP_STAPLING_PYTHON": str(host.library / "python"),
    }
    assert subprocess.run(["/bin/sh", "-c", script, "sh", *arguments], env=environment, check=False).returncode == 0
    assert live.request().exists()
