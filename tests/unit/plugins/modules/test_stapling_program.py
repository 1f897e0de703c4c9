# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the program consists of on a host: whatever is not as it should be is noticed, and mended."""

from __future__ import annotations

import functools
import grp
import json
import os
import pwd
import shutil
import stat
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("ansible.module_utils.testing", reason="needs ansible-core 2.19 or later")

from ansible_collections.certops.ocsp.plugins.module_utils import _program
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp import families, secrets
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import parts, sets
from ansible_collections.certops.ocsp.plugins.plugin_utils import _program as controller
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from ansible_collections.certops.ocsp.tests.unit.run_module import (
    Result,
    Runner,
    comparable,
    documentation,
    specification,
)

#: An account that each system has, with a group of its own.
DAEMON = pwd.getpwnam("daemon")
#: What nobody has anything against.
GOOD = {
    "workers": 16,
    "per_responder": 8,
    "responder_wait": 0,
    "keep": 3,
    "apache_port": 488,
    "backup_count": 0,
    "log_file": "",
    "os_family": "",
}
UNITS = ["ocsp-stapling.service", "ocsp-stapling.timer"]
Run = t.Callable[..., Result]
#: All of the library is packed for each run, and looked through for keys. These go by what they are given alone, which
#: is the same in each run here, and take longer than all the rest.
holds_private_key = functools.cache(secrets.holds_private_key)
PACK = controller.pack


@functools.cache
def pack(*sources: t.Tuple[str, bytes]) -> str:
    return PACK(dict(sources))


class Host:
    """A host below a folder, and the program that is to be on it."""

    def __init__(self, root: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.run_module = runner
        self.systemd = False
        self.job = ""
        monkeypatch.setattr(_program, "has_systemd", lambda: self.systemd)
        monkeypatch.setattr(controller, "_CRON_FILE", f"{root}/cron.d/ocsp-stapling")
        monkeypatch.setattr(controller, "_UNIT_FOLDER", f"{root}/units")
        for folder in ("cron.d", "units", "etc", "lib", "sbin", "var"):
            (root / folder).mkdir()
        self.options: t.Dict[str, t.Any] = {
            "user": DAEMON.pw_name,
            "root": f"{root}/etc/ocsp-stapling",
            "state_path": f"{root}/var/ocsp-stapling",
            "library": f"{root}/lib/ocsp-stapling",
            "program": f"{root}/sbin/ocsp-stapling",
            "units": [],
            "renewal_hooks": [],
            "hook_files": {},
            "missing": [],
            "libexec": f"{root}/lib/ocsp-stapling-hooks",
            "options": {},
            "services": {},
            "fetch_from": "host",
            "workers": 16,
            "per_responder": 8,
            "backup_count": 0,
            "log_file": "",
            "owner": "",
            "timer": "hourly",
            "timer_delay": "30min",
        }

    def run(self, *, check: bool = False, **given: t.Any) -> Result:
        """What the action plugin does, without Ansible; ``parts`` are for the module."""
        parts = given.pop("parts", ["program", "settings"])
        options = {**self.options, **given}
        entries = given.pop("entries", [])
        template = f"{{}} {options['timer']}\n{self.job}\n" if self.job else f"{{}} {options['timer']}\n"
        wanted = controller.wanted(
            options, {"owner": "web", "place": "site.yml", "turn": 1}, entries, template.format, complete=not check
        )
        # The account of another system; what it should be is for the role to say.
        wanted["account"] = {"name": DAEMON.pw_name, "home": DAEMON.pw_dir}
        paths = {name: options[name] for name in ("root", "program")}
        return self.run_module(check=check, diff=True, parts=parts, os_family="Debian", wanted=wanted, **paths)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Host:
    if os.geteuid() != 0:
        pytest.skip("needs root, who owns what is installed")
    monkeypatch.setenv("OCSP_STAPLING_LIB", f"{tmp_path}/lib/ocsp-stapling")
    monkeypatch.setattr(_program, "_account", lambda wanted: iter(()))
    # Not the Python of another distribution, which may have no cryptography.
    monkeypatch.setattr(_program, "lacks_cryptography", lambda python, run: False)
    monkeypatch.setattr(_program, "asked", lambda *given: _program.Answer())
    monkeypatch.setattr(secrets, "holds_private_key", holds_private_key)
    monkeypatch.setattr(controller, "pack", lambda sources: pack(*sources.items()))
    return Host(tmp_path, Runner("stapling_program", monkeypatch, capfd), monkeypatch)


def test_documentation_and_spec_agree(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    module = Runner("stapling_program", monkeypatch, capfd).module
    assert comparable(documentation(module)) == comparable(specification(module, monkeypatch))


def test_forgotten_become_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: DAEMON.pw_uid)
    for check in (True, False):
        result = host.run(check=check)
        assert result["failed"]
        assert result["msg"] == (
            f"nothing was changed: this needs root, but runs as {DAEMON.pw_name}; "
            "set become: true on the play or the task"
        )
    assert list((host.root / "sbin").iterdir()) == []
    monkeypatch.setattr(os, "geteuid", lambda: 2**31 - 3)
    assert f"runs as {2**31 - 3};" in host.run()["msg"]


def test_it_is_installed_once(host: Host) -> None:
    checked = host.run(check=True)
    assert checked["changed"] and checked["differing"] == ["program", "settings"]
    assert list((host.root / "etc").iterdir()) == list((host.root / "sbin").iterdir()) == []
    first = host.run()
    assert first["changed"] and first["differences"] == checked["differences"] and first["diff"] == checked["diff"]
    assert (host.root / "lib/ocsp-stapling/ocsp/pki/certificate.py").read_bytes() == controller.library()[
        "ocsp/pki/certificate.py"
    ]
    again = host.run()
    assert not again["changed"] and again["differing"] == again["differences"] == again["diff"] == []
    assert again["msg"] == "everything is as it should be"


def test_parts_are_installed_by_themselves(host: Host) -> None:
    assert host.run(parts=["program"])["changed"]
    assert not (host.root / "etc/ocsp-stapling/config.json").exists()
    left = host.run(check=True)
    assert left["differing"] == ["settings"]
    assert host.run(parts=["settings"])["changed"] and host.run(check=True)["differing"] == []


def test_the_settings_that_differ_are_named(host: Host) -> None:
    host.run()
    for check in (True, False):
        changed = host.run(check=check, workers=4, fetch_from="controller")
        (difference,) = (one for one in changed["differences"] if one["path"].endswith("config.json"))
        assert difference["what"] == "has different content (fetch, workers)"
        assert changed["msg"].endswith("/config.json (fetch, workers)") and '"workers": 4' in str(changed["diff"])


def edit(path: Path) -> None:
    path.write_text("edited by hand\n")


def give_away(path: Path) -> None:
    os.chown(path, DAEMON.pw_uid, DAEMON.pw_gid)


def link(path: Path) -> None:
    path.rename(f"{path}.moved")
    path.symlink_to(f"{path}.moved")


def put_a_file(path: Path) -> None:
    path.rename(f"{path}.moved")
    path.write_text("no folder\n")


#: Folders that are there once there is something in them.
MADE_LATER = [f"etc/ocsp-stapling/{name}" for name in ("live", "sets", "snippets")] + ["var/ocsp-stapling/attempts"]
JUDGEMENT = "ocsp/judge/judgement.py"
DRIFT: t.Dict[str, t.Tuple[str, t.Callable[[Path], t.Any], str]] = {
    "a file of the library is edited": (f"lib/ocsp-stapling/{JUDGEMENT}", edit, "different content"),
    "a file of the library is gone": (
        f"lib/ocsp-stapling/{JUDGEMENT}",
        Path.unlink,
        f"lacks {JUDGEMENT}",
    ),
    "a file of the library may be written by others": (
        f"lib/ocsp-stapling/{JUDGEMENT}",
        lambda path: path.chmod(0o666),
        "different owner, group or mode",
    ),
    "a file of the library is a link": (
        f"lib/ocsp-stapling/{JUDGEMENT}",
        link,
        "different owner, group or mode",
    ),
    "a surplus file shadows another": ("lib/ocsp-stapling/json.py", edit, "json.py, which does not belong there"),
    "a folder of the library may be written by others": (
        "lib/ocsp-stapling/ocsp",
        lambda path: path.chmod(0o777),
        "has the mode 0777 and not 0755",
    ),
    "the program is edited": ("sbin/ocsp-stapling", edit, "different content"),
    "the program cannot be run": (
        "sbin/ocsp-stapling",
        lambda path: path.chmod(0o644),
        "has the mode 0644 and not 0755",
    ),
    "the program is a link": ("sbin/ocsp-stapling", link, "is a symbolic link"),
    "the library is a link": ("lib/ocsp-stapling", link, "is a symbolic link"),
    "the library is a file": ("lib/ocsp-stapling", put_a_file, "is not a folder"),
    "a folder may be written by others": (
        "etc/ocsp-stapling",
        lambda path: path.chmod(0o777),
        "has the mode 0777 and not 0755",
    ),
    "a folder belongs to somebody else": (
        "etc/ocsp-stapling/conf.d",
        give_away,
        "belongs to the user daemon and not root",
    ),
    **{
        f"others may write to {path}": (path, lambda path: path.chmod(0o777), "has the mode 0777 and not 0755")
        for path in ("etc/ocsp-stapling/live", "etc/ocsp-stapling/sets", "etc/ocsp-stapling/snippets")
    },
    "the notes of deployments belong to somebody else": (
        "var/ocsp-stapling/attempts",
        give_away,
        "belongs to the user daemon and not root",
    ),
    "a folder is gone": ("var/ocsp-stapling/pending", Path.rmdir, "is missing"),
    "the configuration is edited": ("etc/ocsp-stapling/config.json", edit, "different content"),
    "the configuration is gone": ("etc/ocsp-stapling/config.json", Path.unlink, "is missing"),
    "the job is edited": ("cron.d/ocsp-stapling", edit, "different content"),
    "the job belongs to somebody else": ("cron.d/ocsp-stapling", give_away, "belongs to the user daemon and not root"),
}


@pytest.mark.parametrize(("path", "happen", "what"), DRIFT.values(), ids=DRIFT)
def test_drift_is_said_and_mended(host: Host, path: str, happen: t.Callable[[Path], t.Any], what: str) -> None:
    host.run()
    for folder in MADE_LATER:
        (host.root / folder).mkdir()
    assert not host.run(check=True)["changed"]
    happen(host.root / path)
    checked = host.run(check=True)
    assert checked["changed"] and what in str(checked["differences"]), checked
    assert checked["diff"] and checked["msg"].startswith(
        "would be created: " if what == "is missing" else "would be repaired: "
    )
    mended = host.run()
    assert mended["changed"] and mended["differences"] == checked["differences"]
    assert not host.run(check=True)["changed"]
    assert not os.path.lexists(host.root / "lib/ocsp-stapling.old")


def replace_by_folder(path: Path) -> None:
    path.unlink()
    (path / "mine").mkdir(parents=True)


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("mine")


def replace_by_lost_link(path: Path) -> None:
    shutil.rmtree(path)
    path.symlink_to("/nowhere")


def mask(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/null")


#: By the path: how it comes to be, whether the host has systemd, and what is said.
OBSTACLES: t.Dict[str, t.Tuple[str, t.Callable[[Path], t.Any], bool, str]] = {
    "a folder for the configuration": (
        "etc/ocsp-stapling/config.json",
        replace_by_folder,
        False,
        "{} is a folder, where a file belongs; move it away",
    ),
    "a pipe for the job": ("cron.d/ocsp-stapling", replace_by_pipe, False, "{} is a named pipe, where a file belongs"),
    "a folder for a unit": (
        "units/ocsp-stapling.service",
        replace_by_folder,
        True,
        "{} is a folder, where a file belongs",
    ),
    "a folder for the program": (
        "sbin/ocsp-stapling",
        replace_by_folder,
        False,
        "{} is a folder, where a file belongs",
    ),
    "a file for a folder": (
        "var/ocsp-stapling/metrics",
        replace_by_file,
        False,
        "{} is a file, where a folder belongs",
    ),
    "a link that leads nowhere": (
        "etc/ocsp-stapling/conf.d",
        replace_by_lost_link,
        False,
        "{} is a dangling symbolic link where a folder belongs",
    ),
    "a timer that is masked": (
        "units/ocsp-stapling.timer",
        mask,
        True,
        "ocsp-stapling.timer is masked, so it cannot be started; run 'systemctl unmask ocsp-stapling.timer' first",
    ),
}


@pytest.mark.parametrize(("path", "happen", "systemd", "sentence"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_cannot_be_replaced_is_said_before_anything(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    happen: t.Callable[[Path], t.Any],
    systemd: bool,
    sentence: str,
) -> None:
    monkeypatch.setattr(_program, "_units", lambda units, run: iter(()))
    monkeypatch.setattr(_program, "time_problems", lambda times, run: iter(()))
    host.systemd, host.options["units"] = systemd, UNITS
    host.run()
    happen(host.root / path)
    edit(host.root / f"lib/ocsp-stapling/{JUDGEMENT}")
    for check in (True, False):
        refused = host.run(check=check)
        assert refused["failed"] and not refused.get("changed")
        assert refused["msg"].startswith(f"nothing was changed: {sentence.format(host.root / path)}"), refused["msg"]
    assert (host.root / f"lib/ocsp-stapling/{JUDGEMENT}").read_text() == "edited by hand\n"


def test_the_password_of_a_proxy_is_shown_in_no_difference(host: Host) -> None:
    given = {"options": {"http_proxy": "http://staple:hunter2@proxy:3128"}}
    for check in (True, False):
        result = host.run(check=check, **given)
        assert "hunter2" not in str({key: value for key, value in result.items() if key != "invocation"})
    assert "hunter2" not in (host.root / "etc/ocsp-stapling/config.json").read_text()


def test_units_are_for_systemd_and_the_job_is_for_the_others(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.options["units"] = UNITS
    host.run()
    assert list((host.root / "units").iterdir()) == [] and (host.root / "cron.d/ocsp-stapling").exists()
    host.systemd = True
    monkeypatch.setattr(_program, "_units", lambda units, run: iter(()))
    monkeypatch.setattr(_program, "time_problems", lambda times, run: iter(()))
    found = host.run()
    assert found["service_manager"] == "systemd"
    assert sorted(path.name for path in (host.root / "units").iterdir()) == UNITS


SHOWN = "Id={}\nActiveState={}\nUnitFileState={}\nNeedDaemonReload={}\n"


@pytest.mark.parametrize(
    ("timer", "service", "what"),
    [
        (("active", "enabled", "no"), ("inactive", "static", "no"), []),
        (("inactive", "enabled", "no"), ("inactive", "static", "no"), ["is not started"]),
        (("active", "disabled", "no"), ("inactive", "static", "no"), ["is not enabled"]),
        (("active", "enabled", "no"), ("inactive", "static", "yes"), ["was changed, but systemd has not reloaded it"]),
        (
            ("failed", "masked", "yes"),
            ("inactive", "static", "no"),
            ["was changed", "is masked; run 'systemctl unmask ocsp-stapling.timer'", "is not started"],
        ),
    ],
)
def test_what_systemd_does_not_know_is_noticed(
    timer: t.Tuple[str, ...], service: t.Tuple[str, ...], what: t.List[str]
) -> None:
    shown = "\n".join([SHOWN.format("ocsp-stapling.timer", *timer), SHOWN.format("ocsp-stapling.service", *service)])
    found = list(_program._units(UNITS, lambda argv: (0, shown, "")))
    assert len(found) == len(what) and all(one.what.startswith(start) for one, start in zip(found, what))


@pytest.mark.parametrize(
    ("errors", "said"), [("Failed to connect to bus:\nNo such file\n", "bus: No such file)"), ("", "(exit code 1)")]
)
def test_a_systemd_that_does_not_answer_is_told(errors: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        list(_program._units(UNITS, lambda argv: (1, "", errors)))
    assert caught.value.message.endswith(said)
    assert "systemd does not say whether ocsp-stapling.timer is started" in caught.value.message


@pytest.mark.parametrize(
    ("changed", "whats"),
    [
        ({}, []),
        ({"home": "/elsewhere"}, [f"its home is {DAEMON.pw_dir} and not /elsewhere"]),
        ({"shell": "/bin/other"}, [f"its shell is {DAEMON.pw_shell} and not /bin/other"]),
        ({"name": "no-such-user"}, ["there is no such group", "there is no such user"]),
    ],
)
def test_an_account_that_somebody_changed_is_noticed(
    changed: t.Dict[str, str], whats: t.List[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_program, "_SHADOW", str(tmp_path / "shadow"))
    (tmp_path / "shadow").write_text(f"{DAEMON.pw_name}:*:19000:0:99999:7::1:\n")
    wanted = {"name": DAEMON.pw_name, "home": DAEMON.pw_dir, "shell": DAEMON.pw_shell, **changed}
    assert [one.what for one in _program._account(wanted)] == whats


@pytest.mark.parametrize(("day", "noticed"), [("1", False), ("", True), ("20000", True), (None, False)])
def test_an_account_for_which_cron_would_work_is_noticed(
    day: t.Optional[str], noticed: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where another file than that of the system says so, it is up to its administrator."""
    monkeypatch.setattr(_program, "_SHADOW", str(tmp_path / "shadow"))
    (tmp_path / "shadow").write_text(
        "root:*:1::::::\n" + (f"{DAEMON.pw_name}:!:1:::::{day}:\n" if day is not None else "")
    )
    wanted = {"name": DAEMON.pw_name, "home": DAEMON.pw_dir, "shell": DAEMON.pw_shell}
    whats = [one.what for one in _program._account(wanted)]
    assert whats == ["it has not expired, so that cron and others may start processes for it"] * noticed


def test_a_log_file_beside_those_of_others_is_refused(host: Host) -> None:
    refused = host.run(log_file="/var/log/staple.log")
    assert refused["failed"] and refused["msg"].startswith(
        "nothing was changed: ocsp_stapling_log_file is /var/log/staple.log, but /var/log cannot be reserved for the "
    )
    assert list((host.root / "etc").iterdir()) == []
    assert host.run(log_file=f"{host.root}/logs/staple.log")["changed"]
    assert not host.run(log_file=f"{host.root}/logs/staple.log")["changed"]


def test_a_log_file_in_a_folder_of_a_folder_of_the_program_is_refused(host: Host) -> None:
    """Its user owns the upper one, and could have root make the lower one elsewhere."""
    refused = host.run(log_file="/var/log/ocsp-stapling/web/staple.log")
    assert refused["failed"] and "/var/log/ocsp-stapling/web cannot be reserved" in refused["msg"]


@pytest.mark.parametrize("path", ["/var/log/{year}/staple.log", "/staple.log", "staple.log", "/var/log/%x/y"])
def test_a_log_file_without_a_folder_is_refused(path: str) -> None:
    (fault,) = controller.faults({**GOOD, "log_file": path}, "web")
    assert fault.startswith(f"ocsp_stapling_log_file is {path}, but ")
    assert controller.faults({**GOOD, "log_file": "/var/log/staples/{year}.log"}, "web") == []


def test_all_values_are_checked_in_the_words_of_the_role() -> None:
    wrong = {
        "keep": 0,
        "responder_wait": -1,
        "apache_port": 65536,
        "workers": 0,
        "per_responder": 1001,
        "backup_count": -1,
    }
    assert controller.faults(GOOD, "web") == []
    assert controller.faults({**GOOD, **wrong, "os_family": "Arch"}, "web") == [
        "ocsp_stapling_workers: 0 is not between 1 and 1000",
        "ocsp_stapling_per_responder: 1001 is not between 1 and 1000",
        "ocsp_stapling_responder_wait: -1 is not between 0 and 86400",
        "ocsp_stapling_keep: 0 is not between 1 and 1000",
        "ocsp_stapling_apache_port: 65536 is not between 1 and 65535",
        "ocsp_stapling_backup_count: -1 is not between 0 and 1000",
        "ocsp_stapling_os_family: 'Arch' is not one of Debian, RedHat",
    ]


def test_another_selinux_type_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SELinux is on; the context is that of a folder below /etc on a host of the RedHat family."""
    status = tmp_path.stat()
    names = {"owner": pwd.getpwuid(status.st_uid)[0], "group": grp.getgrgid(status.st_gid)[0]}
    wanted = {"path": str(tmp_path), "mode": f"{status.st_mode & 0o7777:04o}", **names}
    monkeypatch.setattr(os, "getxattr", lambda path, name: b"system_u:object_r:etc_t:s0\0")
    assert list(_program._access({**wanted, "setype": "etc_t"}, stat.S_ISDIR)) == []
    assert list(_program._access({**wanted, "setype": None}, stat.S_ISDIR)) == []
    assert list(_program._access({**wanted, "setype": "cert_t"}, stat.S_ISDIR)) == [
        "has the SELinux type etc_t and not cert_t"
    ]


def test_the_program_starts_with_the_python_that_has_the_library(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual one of RHEL 8 is too old."""
    monkeypatch.setattr(_program, "family", lambda override: families.REDHAT_8)
    host.run()
    assert "/usr/bin/python3.11}" in (host.root / "sbin/ocsp-stapling").read_text()
    assert not host.run()["changed"]


def test_no_certificates_at_all_on_a_host_that_has_some_is_a_slip(host: Host) -> None:
    """A variable that is misspelt must not take all stapling away."""
    host.run()
    (host.root / "etc/ocsp-stapling/live/www.example.com").mkdir(parents=True)
    refused = host.run()
    assert refused["failed"] and refused["msg"] == (
        "nothing was changed: ocsp_stapling_certificates is empty, but this host has www.example.com; to "
        "remove all of them, set ocsp_stapling_state to absent"
    )
    entry = {"name": "www.example.com", "services": [], "options": {}, "staple": False}
    assert not host.run(entries=[entry])["failed"]
    host.options["missing"] = ["www.example.com"]
    assert not host.run()["failed"], "it has ended, and could not be renewed"


@pytest.mark.parametrize(
    ("owner", "place", "refused"), [("web", "site.yml", True), ("web", "other.yml", False), ("mail", "site.yml", False)]
)
def test_a_task_that_gave_certificates_cannot_come_without_any(
    host: Host, owner: str, place: str, refused: bool
) -> None:
    host.run()
    layout = sets.Layout(host.options["root"], host.options["state_path"])
    name, other = "www.example.com", "api.example.com"
    mine = parts.Part(owner, (parts.Certificate(name),), shares=(parts.Share(place, 1, {name: ()}),))
    parts.save(layout, mine)
    assert host.run()["failed"] is refused
    both = (parts.Certificate(name), parts.Certificate(other))
    parts.save(layout, replace(mine, certificates=both, shares=(*mine.shares, parts.Share("more.yml", 1, {other: ()}))))
    said = host.run()
    assert said["failed"] is refused
    if refused:
        assert said["msg"] == (
            "nothing was changed: ocsp_stapling_certificates is empty, but this host has www.example.com from this "
            "task; to remove what only this task configures, delete the task or skip it on this host, and name "
            "the certificates in a task of certops.ocsp.certificate_set with state: absent"
        )


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("ocsp_stapling_certificate", "did you mean ocsp_stapling_certificates?"),
        ("ocsp_stapling_certificates_", "did you mean ocsp_stapling_certificates?"),
        ("ocsp_stapling_certificates_web", "did you mean ocsp_stapling_certificates__web?"),
        ("ocsp_stapling_timmer", "did you mean ocsp_stapling_timer?"),
    ],
)
def test_a_variable_that_is_misspelt_is_refused(name: str, ending: str) -> None:
    known = ["ocsp_stapling_timer", "ocsp_stapling_certificates", "ocsp_stapling_certificates__mail", "my_variable"]
    assert controller.unknown_variables([name, *known]) == [f"{name} is not a variable of the role; {ending}"]
    assert controller.unknown_variables([name], "acme_certificates") == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("acme_certificates_root", "acme_certificates_roots"),
        ("acme_certificates_kye_type", "acme_certificates_key_type"),
    ],
)
def test_a_variable_of_the_other_role_that_is_misspelt_is_refused(name: str, meant: str) -> None:
    known = ["acme_certificates_directory", "acme_certificates_roots", "__acme_certificates_x", "ocsp_stapling_x"]
    sentence = f"{name} is not a variable of the role; did you mean {meant}?"
    assert controller.unknown_variables([name, *known], "acme_certificates") == [sentence]


def test_a_folder_of_the_host_that_is_not_there_is_refused(host: Host, tmp_path: Path) -> None:
    found = host.run_module(wanted={"scan": [{"folder": str(tmp_path)}]})
    assert found["found"] == [{"folder": str(tmp_path), "domains": []}]
    refused = host.run_module(wanted={"scan": [{"folder": f"{tmp_path}/nowhere"}]})
    assert refused["failed"] and "ocsp_stapling_scan: there is no folder " in refused["msg"]


def set_from(root: str, name: str, folder: Path) -> None:
    """A live set whose key was found in a folder."""
    layout = sets.Layout(root)
    for path in (layout.folder(name, "1"), os.path.dirname(layout.live(name))):
        os.makedirs(path, exist_ok=True)
    described = sets.Description((name,), origin={"folder": str(folder), "user": 61234})
    Path(layout.folder(name, "1"), sets.DESCRIPTION).write_bytes(sets.describe(described))
    sets.swap(layout, name, "1")
    known = parts.find(parts.load(layout), "web") or parts.Part("web")
    parts.save(layout, replace(known, certificates=(*known.certificates, parts.Certificate(name, ()))))


@AS_ROOT
@pytest.mark.parametrize("what", ["removed", "a file", "of another user alone"])
def test_a_user_that_removes_its_folder_stops_no_other(
    what: str, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was deployed of it stays, as after a disk that is not mounted at the moment."""
    home, other = tmp_path / "alice", tmp_path / "bob"
    for folder in (home, other):
        folder.mkdir()
    (other / "b.example.com.key").touch()
    (other / "b.example.com.pem").write_text("-----BEGIN CERTIFICATE-----")
    lost = home / "ssl"
    if what == "a file":
        lost.touch()
    elif what == "of another user alone":
        lost.mkdir()
        # As where it is a file system of that user (FUSE), which no other may enter.
        real = os.stat

        def refused(path: t.Any, **options: t.Any) -> os.stat_result:
            if path == str(lost):
                raise PermissionError(13, "Permission denied", path)
            return real(path, **options)

        monkeypatch.setattr(os, "stat", refused)
    if what != "of another user alone":
        os.chown(home, 61234, 61234)
    for name, folder in (("a.example.com", lost / "sub"), ("c.example.com", Path(f"{lost}-other"))):
        set_from(str(host.root / "etc"), name, folder)
    folders = [{"folder": str(lost), "recursive": True}, {"folder": str(other)}]
    done = host.run_module(root=str(host.root / "etc"), wanted={"scan": folders})
    assert not done.get("failed"), done
    assert [one["name"] for group in done["found"] for one in group["domains"]] == ["b.example.com"]
    assert done["kept"] == ["a.example.com"]
    said = f"ocsp_stapling_scan: there is no folder {lost} that root can search; what is deployed of it stays as it is"
    assert done["unfit"] == [said]


@AS_ROOT
def test_what_is_live_of_a_user_who_spoils_its_files_stays(host: Host, tmp_path: Path) -> None:
    """A key without a certificate is none, but it may be about to be renewed."""
    home = tmp_path / "alice"
    home.mkdir()
    for name in ("a.example.com", "b.example.com"):
        (home / f"{name}.key").touch()
        (home / f"{name}.pem").write_text("junk" if name[0] == "a" else "-----BEGIN CERTIFICATE-----")
        set_from(str(host.root / "etc"), name, home)
    set_from(str(host.root / "etc"), "c.example.com", home)
    done = host.run_module(root=str(host.root / "etc"), wanted={"scan": [{"folder": str(home)}]})
    assert done["kept"] == ["a.example.com"], "c.example.com has no key there any more"
    assert done["of_users"] is False
    os.chown(home, 61234, 61234)
    given_up = parts.Part("web", (parts.Certificate("a.example.com", (), dropped=True),))
    parts.save(sets.Layout(str(host.root / "etc")), given_up)
    done = host.run_module(root=str(host.root / "etc"), wanted={"scan": [{"folder": str(home)}]})
    assert done["kept"] == [] and done["of_users"] is True, "what was given up before is no longer missed"
    assert [one["name"] for one in done["found"][0]["domains"]] == ["b.example.com"]


@pytest.mark.parametrize("name", [b"\xff", b"$HOME", b"a`id`", b"{{ x }}", b"x" * 201, b"\x1b[31m"])
def test_what_is_in_a_folder_of_an_odd_name_is_left_out(name: bytes, host: Host, tmp_path: Path) -> None:
    """Its name goes through JSON, Ansible's templates and the variables of two environments."""
    folder = os.path.join(os.fsencode(tmp_path), b"in", name)
    os.makedirs(folder)
    for suffix in (b".key", b".pem"):
        with open(os.path.join(folder, b"a.example.com" + suffix), "wb") as handle:
            handle.write(b"-----BEGIN CERTIFICATE-----")
    done = host.run_module(wanted={"scan": [{"folder": str(tmp_path / "in"), "recursive": True}]})
    assert not done.get("failed") and [one["domains"] for one in done["found"]] == [[]], done
    assert len(done["unfit"]) == 1 and "as the name of its folder is odd" in done["unfit"][0]
    assert done["unfit"][0].isprintable()


def test_what_stands_in_the_way_is_left_alone(host: Host) -> None:
    (host.root / "etc/ocsp-stapling").write_text("mine")
    refused = host.run()
    assert refused["failed"] and "is a file, where a folder belongs; move it away" in refused["msg"]
    assert (host.root / "etc/ocsp-stapling").read_text() == "mine"


def test_a_folder_may_be_a_link_to_another_disk(host: Host) -> None:
    (host.root / "disk").mkdir()
    (host.root / "var/ocsp-stapling").symlink_to(host.root / "disk")
    assert host.run()["changed"] and not host.run()["changed"]
    assert (host.root / "var/ocsp-stapling").is_symlink() and (host.root / "disk/responses").is_dir()


def test_the_archive_is_the_same_for_the_same_sources() -> None:
    assert controller.pack(controller.library()) == controller.pack(controller.library())


def test_a_module_without_its_controller_says_so(host: Host) -> None:
    refused = host.run_module()
    assert refused["failed"] and "works only with the action plugin" in refused["msg"]


# What the program says -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((0, {"summary": "OK - all is well"}, ""), ("", "OK - all is well")),
        ((1, {"summary": "WARNING - {} is full", "revoked": ["b"]}, ""), ("", "WARNING - /etc/x is full", ("b",))),
        ((1, {"refused": "{}/conf.d/a.json, line 2: no"}, ""), ("/etc/x/conf.d/a.json", "")),
        ((78, None, "{}/config.json: no; nothing was done\n"), ("/etc/x/config.json: no", "")),
        ((1, None, "Traceback"), ("Traceback", "")),
        ((127, None, ""), ("/sbin/x ended with 127", "")),
    ],
)
def test_the_program_is_asked_with_a_copy(
    answer: tuple[int, dict[str, t.Any] | None, str], expected: tuple[t.Any, ...]
) -> None:
    def run(argv: t.Sequence[str]) -> tuple[int, str, str]:
        folder = Path(argv[argv.index("--config") + 1]).parent
        assert (folder / "config.json").read_text() == "{}"
        assert [os.readlink(folder / name) for name in ("conf.d", "live")] == ["/etc/x/conf.d", "/etc/x/live"]
        code, given, errors = answer
        revoked = (given or {}).pop("revoked", [])
        troubles = {name: {"trouble": "revoked" if name in revoked else None} for name in ("a", "b")}
        output = {"refused": "", "summary": "", "certificates": troubles, **given} if given else None
        return code, json.dumps(output).replace("{}", str(folder)) if output else "", errors.replace("{}", str(folder))

    said = _program.asked("/sbin/x", "/etc/x", "{}", {"owner": "role", "text": parts.dump(parts.Part("role"))}, run)
    assert said.refused.startswith(expected[0]) and bool(said.refused) == bool(expected[0])
    if not said.refused:
        assert said == _program.Answer(*expected)


def test_the_program_is_asked_with_all_that_an_owner_has_given(tmp_path: Path) -> None:
    """A loop gives it bit by bit: what this inclusion does not give is not out of the configuration."""
    layout = sets.Layout(str(tmp_path), str(tmp_path / "state"))
    before = parts.Part("role", (parts.Certificate("a"), parts.Certificate("b", ("nginx",))))
    parts.save(layout, before)
    now = parts.Part("role", (parts.Certificate("a", ("haproxy",)),))
    asked: list[parts.Part] = []

    def run(argv: t.Sequence[str]) -> tuple[int, str, str]:
        asked.extend(parts.load(sets.Layout(str(Path(argv[argv.index("--config") + 1]).parent), "")))
        return 0, json.dumps({"refused": "", "summary": "", "certificates": {}}), ""

    _program.asked("/sbin/x", layout.root, "{}", {"owner": "role", "text": parts.dump(now)}, run)
    (one,) = asked
    assert {one.name: one.services for one in one.certificates} == {"a": ("haproxy",), "b": ("nginx",)}


@pytest.mark.parametrize("exposed", ["config.json", "parts/other.json", "parts/role.json"])
def test_a_configuration_that_others_can_write_is_what_the_status_tells(exposed: str, tmp_path: Path) -> None:
    """It keeps no owner from being deployed: the run of each corrects what is its own."""
    layout = sets.Layout(str(tmp_path), str(tmp_path / "state"))
    for owner in ("role", "other"):
        parts.save(layout, parts.Part(owner, (parts.Certificate(f"{owner}.example.com"),)))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / exposed).chmod(0o666)

    def run(argv: t.Sequence[str]) -> tuple[int, str, str]:
        folder = Path(argv[argv.index("--config") + 1]).parent
        modes = [path.stat().st_mode for path in (folder / "config.json", *folder.glob("parts/*"))]
        assert len(modes) == 3
        refused = "refused" if any(mode & stat.S_IWOTH for mode in modes) else ""
        summary = f"WARNING - {refused}" if refused else "OK - all is well"
        return bool(refused), json.dumps({"refused": refused, "summary": summary, "certificates": {}}), ""

    given = {"owner": "role", "text": parts.dump(parts.Part("role"))}
    said = _program.asked("/sbin/x", layout.root, "{}", given, run)
    assert (said.refused, said.status) == ("", "WARNING - refused")
    (tmp_path / exposed).chmod(0o644)
    assert _program.asked("/sbin/x", layout.root, "{}", given, run).status == "OK - all is well"


# When the program runs ----------------------------------------------------------------------------


def test_how_often_a_new_job_runs_is_told_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "job", "*/10 * * * * root true")
    assert host.run(check=True)["interval"] == host.run()["interval"] == 600
    assert host.run(check=True)["interval"] == 0


def test_what_cron_cannot_do_is_said_where_there_is_no_systemd(host: Host) -> None:
    result = host.run(timer="*:*:0/30")
    assert result["failed"] and result["msg"].startswith("nothing was changed: ocsp_stapling_timer: cron, which starts")
    assert list((host.root / "cron.d").iterdir()) == []


def hooks(root: Path) -> t.Dict[str, t.Any]:
    """Two of them below a folder; each has a template without a field, so that it is as long as its name."""
    return {
        "certbot": [{"template": "certbot", "path": f"{root}/letsencrypt/renewal-hooks/deploy/ours", "mode": "0755"}],
        "dehydrated": [{"template": "dehydrated-config", "path": f"{root}/dehydrated/conf.d/ours.sh", "mode": "0644"}],
    }


def test_hooks_come_and_go_with_the_owners_that_list_them(host: Host) -> None:
    known = hooks(host.root)
    paths = {name: Path(files[0]["path"]) for name, files in known.items()}

    def run(*listed: str, check: bool = False) -> Result:
        return host.run(check=check, hook_files=known, renewal_hooks=list(listed))

    run()
    assert not any(path.exists() for path in paths.values())
    checked = run("certbot", check=True)
    assert checked["changed"] and str(paths["certbot"]) in checked["msg"] and not paths["certbot"].exists()
    assert run("certbot")["changed"] and paths["certbot"].stat().st_mode & 0o777 == 0o755
    assert not run("certbot")["changed"]
    other = parts.Part("mail", (parts.Certificate("a.example.com"),), deployment={"hooks": ["certbot"]})
    parts.save(sets.Layout(host.options["root"]), other)
    assert not run()["changed"] and paths["certbot"].exists(), "another owner lists it"
    parts.save(sets.Layout(host.options["root"]), parts.Part("mail"))
    gone = run("dehydrated")
    assert gone["changed"] and not paths["certbot"].exists() and paths["dehydrated"].exists()
    assert not run("dehydrated")["changed"]


def test_what_is_renewed_on_the_host_is_not_fetched_by_the_controller(tmp_path: Path) -> None:
    entry = {"name": "a.example.com", "renewed_by": "certbot", "staple": True}
    options = {"renewal_hooks": ["certbott"], "hook_files": hooks(tmp_path), "fetch_from": "controller"}
    first, second = controller.renewal_faults(options, [entry, {"name": "b.example.com", "staple": True}])
    assert first == ("", "ocsp_stapling_renewal_hooks: certbott is not known; did you mean certbot?")
    assert second.name == "a.example.com"
    assert second.message.startswith("a.example.com: what is renewed on the host needs ocsp_stapling_fetch_from: host")
    options.update(renewal_hooks=[], fetch_from="host")
    assert list(controller.renewal_faults(options, [entry])) == []


def test_how_renewals_are_deployed_is_noted_where_it_is_not_the_default() -> None:
    assert controller.deployment({"renewal_hooks": [], "verify": True}) == {}
    given = {"renewal_hooks": ["lego", "certbot", "lego"], "verify": False}
    assert controller.deployment(given) == {"hooks": ["certbot", "lego"], "verify": False}
