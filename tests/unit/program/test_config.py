# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration: whatever is wrong with it is named with its file, line and key, and then nothing is done."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pwd
import subprocess
import typing as t
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT
from hypothesis import given
from hypothesis import strategies as st
from ocsp.store import parts, scan, sets
from ocsp_stapling import config as configuration
from ocsp_stapling.config import Config
from ocsp_stapling.json_lines import ConfigError, parse


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conf.d").mkdir()
    return tmp_path


def load(folder: Path, text: str, **others: str) -> Config:
    """Load a configuration; ``others`` are files of conf.d by their names without the suffix."""
    (folder / "config.json").write_text(text)
    for name, content in others.items():
        (folder / "conf.d" / f"{name}.json").write_text(content)
    return configuration.load(str(folder / "config.json"), "/state")


def test_what_is_left_out_has_a_default(folder: Path) -> None:
    config = load(folder, '{"certificates": [{"name": "www.example.com", "services": ["nginx", "dovecot", "nginx"]}]}')
    (entry,) = config.certificates
    assert entry.live == f"{folder}/live/www.example.com"
    assert entry.services == ("nginx", "dovecot")
    assert entry.values == {
        "certificate_path": f"{folder}/live/www.example.com/fullchain.pem",
        "path": "/state/responses/www.example.com.der",
        "server": ["nginx"],
    }
    assert (config.workers, config.per_responder, config.interval) == (16, 8, timedelta(hours=1))
    assert config.fetch
    assert config.log_file is None


def test_what_lies_elsewhere_need_not_be_deployed(folder: Path) -> None:
    text = json.dumps(
        {
            "certificates": [
                {"name": "a"},
                {"name": "b", "live": "/missing/b/"},
                {"name": "c", "certificate_path": "/x/c.pem"},
                {"name": "d", "certificate_path": "/x/d.pem", "live": None},
                {"name": "e", "certificate_content": "x"},
                {"name": "f"},
            ]
        }
    )
    (folder / "live").mkdir()
    (folder / "live" / "f").symlink_to("vanished")
    assert [entry.name for entry in load(folder, text).certificates if entry.undeployed] == ["a", "b"]


def test_an_empty_configuration_is_one(folder: Path) -> None:
    assert load(folder, "{}").certificates == ()


def test_defaults_are_for_all_and_certificates_say_otherwise(folder: Path) -> None:
    text = json.dumps(
        {
            "version": 1,
            "defaults": {"minimum_validity": "3d", "timeout": 5, "allow": ["sha1_signature"]},
            "backup_count": 4,
            "certificates": [{"name": "a"}, {"name": "b", "timeout": 20.5, "minimum_validity": None, "live": None}],
        }
    )
    first, second = load(folder, text).certificates
    assert first.values["timeout"] == 5
    assert second.values["timeout"] == 20.5
    assert second.values["minimum_validity"] == "3d"
    assert second.live is None
    assert first.values["backup"] is True
    assert first.values["backup_count"] == 4


def test_files_of_the_folder_are_merged_in_the_order_of_their_names(folder: Path) -> None:
    config = load(
        folder,
        '{"workers": 1, "defaults": {"timeout": 1, "retries": 1}, "certificates": [{"name": "z"}]}',
        b='{"workers": 3, "defaults": {"timeout": 3}, "certificates": [{"name": "b"}]}',
        a='{"workers": 2, "certificates": [{"name": "a"}], "services": {"edge": {"kind": "nginx", "test": "n -t"}}}',
    )
    (folder / "conf.d" / "ignored.json~").write_text("not JSON")
    assert [entry.name for entry in config.certificates] == ["z", "a", "b"]
    assert config.workers == 3
    assert dict(config.certificates[0].values)["timeout"] == 3
    assert dict(config.certificates[0].values)["retries"] == 1
    assert config.service("edge").test == ("n", "-t")
    assert config.kinds(["edge", "exim", "other"]) == ["nginx", "exim", None]


def test_a_service_of_no_known_kind_need_not_be_described(folder: Path) -> None:
    config = load(folder, '{"certificates": [{"name": "a", "services": ["other", "exim"]}]}')
    assert config.certificates[0].services == ("other", "exim")
    assert config.certificates[0].values["server"] == ["exim"]


def test_a_byte_order_mark_is_passed_over(folder: Path) -> None:
    assert load(folder, "\ufeff" + '{"workers": 4}').workers == 4
    with pytest.raises(ConfigError, match="line 2, column 3"):
        load(folder, '\ufeff{"workers": 4,\n  workers: 1}')


#: What is wrong, and the line and the words by which it is named.
BROKEN: t.Dict[str, t.Tuple[str, str]] = {
    "nothing": ("", "line 1, column 1: the file is empty; it must contain at least {}"),
    "cut off": ('{"version": 1,\n "certificates": [', "line 2, column 19: this is not JSON (expecting value)"),
    "a comma too many": ('{\n "workers": 4,\n}', "line 2, column 14: this is not JSON (illegal trailing comma"),
    "a comma too few": ('{"workers": 4\n "per_responder": 2}', "line 2, column 2: this is not JSON (expecting ',' del"),
    "no object": ("[]", "line 1: the configuration must be an object, {...}"),
    "a key that is not known": (
        '{\n "certificats": []}',
        "line 2: certificats: unknown key; did you mean cert",
    ),
    "another": (
        '{"unheard_of": 1}',
        "line 1: unheard_of: unknown key; use one of backup_count, certificates, ",
    ),
    "a key that stands twice": ('{"workers": 1,\n\n "workers": 2}', 'line 3: "workers" is a duplicate key'),
    "a version to come": ('{"version": 2}', "line 1: version: is not supported by this program, which reads version 1"),
    "a service that is a path": (
        '{"certificates": [\n {"name": "a", "services": ["nginx", "../../x"]}]}',
        "line 2: certificates[0].services: '../../x' is not a valid service name; use letters",
    ),
    "a service of a folder that is a path": (
        '{"scan": [{"folder": "/",\n "services": ["a\\nb"]}]}',
        r"line 2: scan[0].services: 'a\nb' is not a valid service name; use letters",
    ),
    "a flag for a number": ('{"workers": true}', "line 1: workers: must be a whole number from 1 to 1000"),
    "a number out of range": ('{"backup_count": -1}', "line 1: backup_count: must be a whole number from 0 to 1000"),
    "a name that is missing": ('{"certificates": [\n {"name": "a"},\n {}]}', "line 3: a certificate has no name"),
    "a name that leads elsewhere": (
        '{"certificates": [{"name":\n "../etc"}]}',
        "line 1: certificates[0].name: must consist of letters, digits, dots, dashes and underscores",
    ),
    "a certificate that is none": ('{"certificates": [\n"a"]}', "line 2: certificates[0]: must be an object, {...}"),
    "an option that is not known": (
        '{"certificates": [\n {"name": "a",\n  "tiemout": 3}]}',
        "line 3: certificates[0].tiemout: unknown key; did you mean timeout?",
    ),
    "an option of another type": (
        '{"certificates": [{"name": "a"}, {"name": "b",\n "timeout": "3s"}]}',
        "line 2: certificates[1].timeout: must be a number",
    ),
    "an option that the core refuses": (
        '{"defaults": {\n\n"minimum_validity": "3 months"}}',
        "line 3: defaults.minimum_validity: '3 months' is not a duration",
    ),
    "a choice that is none": (
        '{"certificates": [{"name": "a", "method":\n"put"}]}',
        "line 1: certificates[0].method: 'put' is not one of auto, get, post",
    ),
    "a URL that is none": (
        '{"certificates": [{"name": "a",\n"responder_urls": ["ocsp.example.com"]}]}',
        "line 2: certificates[0].responder_urls: 'ocsp.example.com' is not an http:// or https:// URL",
    ),
    "a relaxation that is none": ('{"defaults": {"allow": ["all"]}}', "line 1: defaults.allow: 'all' is not one of "),
    "services that are no list": (
        '{"certificates": [{"name": "a", "services": "nginx"}]}',
        "line 1: certificates[0].services: must be a list of strings",
    ),
    "a relative path": (
        '{"certificates": [{"name": "a", "path": "a"}]}',
        "certificates[0].path: must be an absolute p",
    ),
    "a kind that is not known": (
        '{"services": {"web": {\n"kind": "iis"}}}',
        "line 2: services.web.kind: 'iis' is not one of apache, dnsdist, ",
    ),
    "a service that leads elsewhere": (
        '{"services": {"../x": {}}}',
        "services.../x: '../x' is not a valid service name; use",
    ),
    "a command that does not end": (
        '{"services": {"web": {"reload": "systemctl \'reload"}}}',
        "line 1: services.web.reload: is not a valid command: no closing quotation",
    ),
    "a command without words": (
        '{"services": {"web": {"test": []}}}',
        "services.web.test: must be a command, as a list",
    ),
    "no interval": ('{"interval": "often"}', "line 1: interval: 'often' is not a duration"),
    "an interval too short": ('{"interval": "1s"}', "line 1: interval: must be from one minute to one week"),
    "a folder without a place": ('{"scan": [{}]}', "line 1: an entry of scan has no folder"),
    "a mask without a domain": (
        '{"scan": [{"folder": "/x",\n"chain": "chain.pem"}]}',
        "line 2: scan[0].chain: must be a file name with {domain} in it",
    ),
    "not a number": ('{"workers": NaN}', "this is not usable JSON (NaN is not a number in JSON)"),
    "too deep": ("[" * 100000, "this is not usable JSON"),
    "a name that stands twice": (
        '{"certificates": [\n{"name": "a"},\n{"name": "a"}]}',
        "line 3: a is already in FOLDER/config.json, line 2; each may be listed only once",
    ),
    "a path that stands twice": (
        '{"certificates": [{"name": "a", "path": "/x"}, {"name": "b",\n "path": "/x"}]}',
        "the path /x is already in FOLDER/config.json, line 1; each may be listed only once",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_named(folder: Path, name: str) -> None:
    text, words = BROKEN[name]
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    message = str(caught.value).replace(str(folder), "FOLDER")
    assert message.startswith("FOLDER/config.json")
    if name == "a comma too many" and "trailing comma" not in message:
        words = words.partition("line")[0]  # Python before 3.13 says it in other words, and of the line after it
    assert words in message


def test_a_name_in_two_files_names_both(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(folder, '{"certificates": [\n{"name": "a"}]}', more='{"certificates": [\n\n{"name": "a"}]}')
    assert str(caught.value) == (
        f"{folder}/conf.d/more.json, line 3: a is already in {folder}/config.json, line 2; each may be listed only once"
    )
    with pytest.raises(ConfigError) as caught:
        load(folder, '{"services": {"web": {}}}', more='{"services":\n {"web": {}}}')
    assert str(caught.value) == (
        f"{folder}/conf.d/more.json, line 2: the service web is already in {folder}/config.json, line 1"
    )


def test_what_cannot_be_read_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"config.json: the configuration cannot be read: No such file"):
        configuration.load(str(folder / "config.json"))
    (folder / "config.json").write_bytes(b'{"workers":\n "\xff"}')
    with pytest.raises(ConfigError, match=r"config.json, line 2: this is not UTF-8"):
        configuration.load(str(folder / "config.json"))
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(ConfigError, match=r"config.json: the configuration cannot be read: Is a directory"):
        configuration.load(str(folder / "config.json"))


@contextlib.contextmanager
def as_somebody(folder: Path) -> t.Iterator[None]:
    """Be a user who is not root, and gets as far as this folder."""
    if os.geteuid() != 0:
        yield
        return
    for parent in (folder, *list(folder.parents)[:2]):
        parent.chmod(0o755)
    os.seteuid(4711)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("name", ["config.json", "conf.d/x.json", "conf.d"])
def test_who_must_be_able_to_read_is_told(folder: Path, name: str) -> None:
    (folder / "config.json").write_text("{}")
    (folder / "conf.d" / "x.json").write_text("{}")
    (folder / name).chmod(0)
    with as_somebody(folder), pytest.raises(ConfigError) as caught:
        configuration.load(str(folder / "config.json"))
    (folder / name).chmod(0o755)
    hint = "the user ocsp-stapling, and the user who runs this command, must be able to read it"
    assert str(caught.value) == f"{folder}/{name}: the configuration cannot be read: Permission denied; {hint}"


@pytest.mark.parametrize("name", ["config.json", "conf.d/x.json"])
def test_a_fifo_is_no_configuration(folder: Path, name: str) -> None:
    (folder / "config.json").write_text("{}")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(ConfigError, match=rf"{name}: this is not a regular file"):
        configuration.load(str(folder / "config.json"))


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone is careful about the owner")
def test_root_believes_no_configuration_that_others_can_write(folder: Path) -> None:
    load(folder, "{}")
    for owner, mode in ((0, 0o666), (0, 0o664), (4711, 0o644)):
        os.chown(folder / "config.json", owner, 0)
        (folder / "config.json").chmod(mode)
        with pytest.raises(
            ConfigError,
            match=r"users other than root can write to this file; run chown root and "
            r"chmod go-w on it",
        ):
            configuration.load(str(folder / "config.json"))


# Lines -------------------------------------------------------------------------------------------

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def paths_of(value: t.Any, path: t.Tuple[t.Any, ...] = ()) -> t.Iterator[t.Tuple[t.Any, ...]]:
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from paths_of(inner, (*path, key))


@given(_VALUES, st.sampled_from([None, 0, 2]))
def test_each_key_and_element_has_its_line(value: t.Any, indent: t.Optional[int]) -> None:
    text = json.dumps(value, indent=indent)
    document = parse(text, "x")
    assert document.value == value
    lines = text.split("\n")
    for path in paths_of(value):
        line = lines[document.lines[path] - 1]
        if path and isinstance(path[-1], str):
            assert json.dumps(path[-1]) in line
    assert set(document.lines) == set(paths_of(value))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text, "x")
    except ConfigError as error:
        assert str(error).startswith("x")


def test_a_service_that_only_systemd_knows_is_no_server_to_look_after(folder: Path) -> None:
    config = load(folder, json.dumps({"certificates": [{"name": "a.test", "services": ["ngnix", "nginx"]}]}))
    assert config.certificates[0].services == ("ngnix", "nginx")
    assert config.certificates[0].values["server"] == ["nginx"]


# Folders that are looked through -----------------------------------------------------------------

PEM = "-----BEGIN CERTIFICATE-----\n"


def put(folder: Path, *names: str, text: str = PEM) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def found(folder: Path, **settings: t.Any) -> t.Dict[str, t.Mapping[str, t.Any]]:
    config = load(folder, json.dumps({"scan": [{"folder": str(folder / "ssl"), **settings}]}))
    return {entry.name: entry.values for entry in config.certificates}


def test_certificates_below_a_folder(folder: Path) -> None:
    put(folder / "ssl", "a.test.pem", "a.test-chain.pem", "a.test-rootchain.pem", "b.test.pem", "a.test.ocsp-resp")
    put(folder / "ssl", "deep/er/c.test.pem", "notes.txt")
    put(folder / "ssl", "dhparam.pem", text="-----BEGIN DH PARAMETERS-----\n")
    ssl = folder / "ssl"
    a = {
        "certificate_path": f"{ssl}/a.test.pem",
        "issuer_path": f"{ssl}/a.test-chain.pem",
        "root_path": f"{ssl}/a.test-rootchain.pem",
        "path": f"{ssl}/a.test.ocsp-resp",
        "server": [],
    }
    b = {"certificate_path": f"{ssl}/b.test.pem", "path": f"{ssl}/b.test.ocsp-resp", "server": []}
    assert found(folder) == {"a.test": a, "b.test": b}
    assert set(found(folder, recursive=True)) == {"a.test", "b.test", "deep/er/c.test"}


def test_certificates_by_masks_of_ones_own(folder: Path) -> None:
    put(folder / "ssl", "cert-a.crt", "cert-a.ca", "b.crt")
    masks = {"certificate": "cert-{domain}.crt", "chain": "cert-{domain}.ca", "response": "{domain}.der"}
    values = found(folder, **masks, services=["nginx"], timeout=7)
    assert set(values) == {"a"}
    assert values["a"]["issuer_path"] == f"{folder}/ssl/cert-a.ca"
    assert values["a"]["path"] == f"{folder}/ssl/a.der"
    assert values["a"]["timeout"] == 7
    assert values["a"]["server"] == ["nginx"]


def test_a_fifo_hangs_no_run(folder: Path) -> None:
    put(folder / "ssl", "a.test.pem")
    os.mkfifo(folder / "ssl" / "b.test.pem")
    (folder / "ssl" / "c.test.pem").symlink_to("vanished")
    assert set(found(folder)) == {"a.test", "b.test", "c.test"}, "whoever uses them says what is wrong"


def problems(folder: Path, **settings: t.Any) -> t.List[str]:
    config = load(folder, json.dumps({"scan": [{"folder": str(folder / "ssl"), **settings}]}))
    return [*config.problems, *config.problems_of_users]


def test_a_folder_that_is_not_there_is_a_problem_of_its_own(folder: Path) -> None:
    assert found(folder) == {}
    user = pwd.getpwuid(os.geteuid()).pw_name
    where, searched = f"{folder}/config.json, line 1", f"{folder}/ssl cannot be searched:"
    sentence = f"{where}: the folder {searched} there is none for the user {user}; create or correct it"
    assert problems(folder) == [sentence]
    put(folder, "ssl")
    assert problems(folder) == [f"{where}: {searched} it is not a folder; give the folder that it is in"]


def test_folders_that_can_be_read_are_no_problem(folder: Path) -> None:
    (folder / "ssl" / "empty").mkdir(parents=True)
    assert problems(folder, recursive=True) == []


def test_what_was_found_and_what_was_given_must_not_meet(folder: Path) -> None:
    put(folder / "ssl", "a.test.pem")
    put(folder / "ssl", "b.test.pem")
    text = json.dumps({"certificates": [{"name": "a.test"}], "scan": [{"folder": f"{folder}/ssl"}]})
    config = load(folder, text)
    # Whoever may write into the folder must not end what is done for others.
    assert [(entry.name, entry.live is None) for entry in config.certificates] == [("a.test", False), ("b.test", True)]
    where = f"{folder}/config.json, line 1"
    assert list(config.problems) == [f"{where}: a.test is already in {where}; each may be listed only once"]


ODD = {
    "no UTF-8": b"\xff.test.pem",
    "lines": b"x\nOCSP OK - all is well.pem",
    "a bar": b"x | y.pem",
    "an escape": b"\x1b]0;x\x07.pem",
    "turned round": "\u202ex.test.pem".encode(),
    "a quotation mark": b'x",code="y.pem',
    "long": b"x" * 201 + b".pem",
    "an odd folder": b"a\nb/x.pem",
}


@pytest.mark.parametrize("name", ODD)
def test_a_file_of_an_odd_name_is_one_problem(folder: Path, name: str) -> None:
    put(folder / "ssl", "a.test.pem", "deep er/m\u00fcnchen.test.pem", "_w.*.test+1.pem")
    path = os.fsencode(folder / "ssl") + b"/" + ODD[name]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(PEM)
    assert set(found(folder, recursive=True)) == {"a.test", "deep er/m\u00fcnchen.test", "_w.*.test+1"}
    (problem,) = problems(folder, recursive=True)
    assert problem.isprintable()
    assert problem.endswith("is not looked at, as its name is odd or longer than 200 characters; rename or remove it")


def test_odd_files_without_number_fill_no_log(folder: Path) -> None:
    put(folder / "ssl", "a.test.pem", *(f"{index}|.pem" for index in range(500)))
    assert set(found(folder)) == {"a.test"}
    assert len(problems(folder)) == 6
    assert problems(folder)[-1].endswith(": 495 more problems of this kind are not listed")
    text = json.dumps({"scan": [{"folder": str(folder / "ssl")}, {"folder": str(folder / ("long" * 50))}]})
    assert len(load(folder, text).problem) <= 1000


def test_a_file_does_not_take_the_place_of_a_certificate_of_a_later_file(folder: Path) -> None:
    put(folder / "ssl", "mail.test.pem", "other.test.pem")
    (folder / "conf.d" / "10.json").write_text(json.dumps({"scan": [{"folder": str(folder / "ssl")}]}))
    given = {"name": "mail.test", "certificate_path": "/mail.pem", "path": "/mail.der", "live": None}
    response = {**given, "name": "else", "path": f"{folder}/ssl/other.test.ocsp-resp"}
    (folder / "conf.d" / "20.json").write_text(json.dumps({"certificates": [given, response]}))
    config = load(folder, "{}")
    assert [(entry.name, entry.path) for entry in config.certificates] == [
        ("mail.test", "/mail.der"),
        ("else", f"{folder}/ssl/other.test.ocsp-resp"),
    ]
    assert len(config.problems) == 2


def test_a_file_does_not_take_the_name_of_one_in_another_folder(folder: Path) -> None:
    """The folders may be of different users."""
    put(folder, "a/x.test.pem", "b/x.test.pem", "b/y.test.pem", "c/x.test.pem")
    config = load(folder, json.dumps({"scan": [{"folder": f"{folder}/{name}"} for name in "abc"]}))
    names = ["x.test", f"{folder}/b/x.test", "y.test", f"{folder}/c/x.test"]
    assert [entry.name for entry in config.certificates] == names
    assert config.certificates[1].values["certificate_path"] == f"{folder}/b/x.test.pem"
    assert config.problems == ()


@AS_ROOT
def test_no_user_changes_what_the_certificate_of_another_is_called(folder: Path) -> None:
    """The status would forget what it knows of it, such as that it is revoked."""
    text = json.dumps({"scan": [{"folder": f"{folder}/{name}"} for name in ("alice", "bob", "root")]})
    put(folder, "bob/x.test.pem", "root/y.test.pem", "alice/z.test.pem")
    for user, name in enumerate(("alice", "bob"), 61234):
        os.chown(folder / name, user, user)
    before = {entry.path: entry.name for entry in load(folder, text).certificates}
    assert before[f"{folder}/bob/x.test.ocsp-resp"] == f"{folder}/bob/x.test"
    assert before[f"{folder}/root/y.test.ocsp-resp"] == "y.test"
    put(folder, "alice/x.test.pem", "alice/y.test.pem")
    after = {entry.path: entry.name for entry in load(folder, text).certificates}
    assert len(after) == 5 and before.items() <= after.items()


def test_no_link_of_refresh_takes_a_certificate_out_of_the_configuration(folder: Path) -> None:
    """Its user owns the folder of responses, and cannot have root forget what a search found."""
    put(folder / "ssl", "a.test.pem")
    (folder / "responses").mkdir()
    (folder / "responses" / "www.der").symlink_to(folder / "ssl" / "a.test.ocsp-resp")
    text = {"certificates": [{"name": "www"}], "scan": [{"folder": f"{folder}/ssl"}]}
    (folder / "config.json").write_text(json.dumps(text))
    config = configuration.load(str(folder / "config.json"), str(folder))
    assert [entry.name for entry in config.certificates] == ["www", "a.test"]
    assert config.problems == ()


@pytest.mark.parametrize("linked", ["response", "folder"])
def test_two_paths_that_lead_to_one_response_meet(folder: Path, linked: str) -> None:
    (folder / "responses").mkdir()
    if linked == "response":
        put(folder / "ssl", "a.test.pem")
        (folder / "ssl" / "a.test.ocsp-resp").symlink_to(folder / "responses" / "www.der")
    else:
        put(folder / "real", "a.test.pem")
        (folder / "ssl").symlink_to("real")
    path = {"response": f"{folder}/responses/www.der", "folder": f"{folder}/real/a.test.ocsp-resp"}[linked]
    text = {"certificates": [{"name": "www", "path": path}], "scan": [{"folder": f"{folder}/ssl"}]}
    config = load(folder, json.dumps(text))
    assert [entry.name for entry in config.certificates] == ["www"]
    assert f"leads to the same file as {path}, which is already in" in config.problems[0]


def test_a_link_in_the_place_of_a_response_ends_nothing(folder: Path) -> None:
    """Whoever owns its folder made it; what is wrong with it is a matter of that certificate."""
    (folder / "b.der").symlink_to("a.der")
    given = [{"name": name, "path": f"{folder}/{name}.der"} for name in "ab"]
    assert len(load(folder, json.dumps({"certificates": given})).certificates) == 2


def test_folders_in_one_another_without_end(folder: Path) -> None:
    put(folder / "ssl", "a.test.pem", f"{'d/' * 32}deep.test.pem", "z/z.test.pem")
    descriptor = os.open(folder / "ssl" / "d", os.O_RDONLY)
    for _level in range(1200):
        with contextlib.suppress(FileExistsError):
            os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    try:
        assert set(found(folder, recursive=True)) == {"a.test", f"{'d/' * 32}deep.test", "z/z.test"}
        (problem,) = problems(folder, recursive=True)
        assert f"folders more than 32 levels below {folder}/ssl are not searched" in problem
    finally:
        subprocess.run(["rm", "-rf", str(folder / "ssl")], check=True)


@AS_ROOT
def test_whoever_fills_a_folder_keeps_no_other_from_being_looked_at(folder: Path) -> None:
    put(folder / "ssl", "evil/0.test.pem", "other/x.test.pem", "full/x.test.pem")
    for number in range(1, 1200):
        for owner in ("evil", "full"):
            os.link(
                folder / "ssl" / owner / ("x.test.pem" if owner == "full" else "0.test.pem"),
                folder / "ssl" / owner / f"{number}.test.pem",
            )
    os.chown(folder / "ssl" / "evil", 61234, 61234)
    names = list(found(folder, recursive=True))
    owners = [name.split("/")[0] for name in names]
    assert (owners.count("evil"), owners.count("other"), owners.count("full")) == (1000, 1, 1200)
    (problem,) = problems(folder, recursive=True)
    assert f"the folder {folder}/ssl/evil has more than 1000 files of this kind" in problem


@AS_ROOT
def test_who_makes_folders_gets_no_more_looked_at(folder: Path) -> None:
    """What counts is the first folder on the way that somebody else can write to, however deep that is."""
    put(folder / "ssl", "web/evil/a/0.test.pem", "web/evil/b/0.test.pem", "web/other/x.test.pem")
    for inner in "ab":
        for number in range(1, 600):
            where = folder / "ssl" / "web" / "evil" / inner
            os.link(where / "0.test.pem", where / f"{number}.test.pem")
    for path in ("evil", "evil/a", "evil/b", "other"):
        os.chown(folder / "ssl" / "web" / path, 61234, 61234)
    names = list(found(folder, recursive=True))
    owners = [name.split("/")[1] for name in names]
    assert (owners.count("evil"), owners.count("other")) == (1000, 1)
    (problem,) = problems(folder, recursive=True)
    assert f"the folder {folder}/ssl/web/evil has more than 1000 files of this kind" in problem


@AS_ROOT
def test_files_without_end_end_the_search_of_their_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_MOST_ENTRIES", 10)
    put(folder / "ssl", *(f"{number}.test.pem" for number in range(20)))
    os.chown(folder / "ssl", 61234, 61234)
    assert len(found(folder)) == 10
    (problem,) = problems(folder)
    assert "has more than 10 entries" in problem


@AS_ROOT
def test_what_is_up_to_a_user_is_no_problem_of_the_operator(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the file is the user's, or the folder, or one above it; where several may write, whose the file is."""
    monkeypatch.setattr(configuration, "_MOST_PROBLEMS", 20)
    odd = [f"ssl/{name}/x|.pem" for name in ("own", "file", "folder", "above/it", "shared")]
    put(folder, *odd)
    for path in ("file/x|.pem", "folder", "above", "shared/x|.pem"):
        os.chown(folder / "ssl" / path, 61234, 61234)
    put(folder, "ssl/shared/own|.pem", "ssl/open/x|.pem")
    for name in ("shared", "open"):
        # What it leads to is root's, and several users can have put it there.
        link = folder / "ssl" / name / "y|.pem"
        link.symlink_to(folder / "ssl/own/x|.pem")
        os.chown(link, 61234 if name == "shared" else 0, -1, follow_symlinks=False)
    os.chown(folder / "ssl" / "open", 61234, -1)
    (folder / "ssl" / "open").chmod(0o775)
    (folder / "ssl" / "shared").chmod(0o1777)
    (folder / "ssl" / "closed").mkdir()
    config = load(folder, json.dumps({"scan": [{"folder": str(folder / "ssl"), "recursive": True}]}))
    assert [problem.split()[3].partition("/ssl/")[2] for problem in config.problems] == [
        "own/x|.pem",
        "shared/own|.pem",
    ]
    theirs = [problem.split()[3].partition("/ssl/")[2] for problem in config.problems_of_users]
    mine = ["above/it/x|.pem", "file/x|.pem", "folder/x|.pem"]
    assert theirs == [*mine, "open/x|.pem", "open/y|.pem", "shared/x|.pem", "shared/y|.pem"]


@AS_ROOT
def test_problems_of_one_user_hide_none_of_another(folder: Path) -> None:
    put(folder / "ssl", *(f"{user}/{letter}|.pem" for user in ("alice", "bob") for letter in "abcdefgh"))
    for user, number in (("alice", 61234), ("bob", 61235)):
        os.chown(folder / "ssl" / user, number, number)
    config = load(folder, json.dumps({"scan": [{"folder": str(folder / "ssl"), "recursive": True}]}))
    assert not config.problems
    for user in ("alice", "bob"):
        assert f"/ssl/{user}/a|.pem" in config.problem_of_users, config.problem_of_users
        assert sum(f"/ssl/{user}/" in problem for problem in config.problems_of_users) == 5


def test_links_to_links_without_end_end_nothing(folder: Path) -> None:
    put(folder / "ssl", "a.test.pem", "b.test.pem")
    for number in range(1500):
        (folder / "ssl" / f"{number}").symlink_to(f"{number + 1}")
    (folder / "ssl" / "a.test.ocsp-resp").symlink_to("0")
    text = {"certificates": [{"name": "c", "path": f"{folder}/ssl/0/c.der"}], "scan": [{"folder": f"{folder}/ssl"}]}
    names = [entry.name for entry in load(folder, json.dumps(text)).certificates]
    assert names == ["c", "a.test", "b.test"]


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "x\\udc00\\ud800"])
def test_half_of_a_character_is_refused(folder: Path, half: str) -> None:
    for text in (f'{{"scan": [{{"folder": "/{half}"}}]}}', f'{{"{half}": 1}}'):
        with pytest.raises(
            ConfigError, match=r"config.json: '.u\w+' is half of a character and in no text; correct it"
        ):
            load(folder, text)
    load(folder, '{"log_file": "/\\ud83d\\udca9"}')


# The parts of owners


def save(folder: Path, owner: str, *certificates: parts.Certificate, **given: t.Any) -> Path:
    layout = sets.Layout(str(folder), "/state")
    parts.save(layout, parts.Part(owner, certificates, **given))
    return Path(parts.path(layout, owner))


def test_the_certificates_of_all_owners_are_there_each_once(folder: Path) -> None:
    save(folder, "web", parts.Certificate("a", ("nginx",)), parts.Certificate("b", ("nginx",), staple=False))
    save(folder, "mail", parts.Certificate("a", ("exim", "nginx"), dropped=True), parts.Certificate("c", ("exim",)))
    config = load(folder, "{}", mine='{"certificates": [{"name": "d"}]}')
    assert {entry.name: entry.services for entry in config.certificates} == {
        "a": ("exim", "nginx"),
        "c": ("exim",),
        "d": (),
    }
    assert "agreed" not in config.certificates[0].values


def test_the_program_reads_all_that_a_part_can_have(folder: Path) -> None:
    one = parts.Certificate("a", ("nginx",), True, {"timeout": 3.0}, {"key": "x"}, True, 3, {"private_key": "/k"})
    settings = {"defaults": {"retries": 1}, "services": {"nginx": {"unit": "n"}}, "deployment": {"keep": 2}, "came": 4}
    settings["program"] = {"timer": "daily"}
    settings["shares"] = (parts.Share("main.yml", 1, {"a": ("nginx",)}),)
    values = json.loads(save(folder, "web", one, **settings).read_text())
    assert values.keys() == {"version", *(field.name for field in dataclasses.fields(parts.Part))}, "all of it"
    assert [entry.name for entry in load(folder, "{}").certificates] == ["a"]


def test_what_owners_have_counts_more_than_a_configuration_from_before(folder: Path) -> None:
    save(folder, "web", parts.Certificate("a", options={"timeout": 3.0}), parts.Certificate("b", staple=False))
    config = load(folder, '{"certificates": [{"name": "a", "timeout": 5}, {"name": "b"}, {"name": "c"}]}')
    assert [(entry.name, entry.values.get("timeout")) for entry in config.certificates] == [("a", 3.0), ("c", None)]


def test_defaults_of_an_owner_are_for_its_own_and_for_what_you_add(folder: Path) -> None:
    save(
        folder,
        "mail",
        parts.Certificate("a"),
        parts.Certificate("b", options={"timeout": 1.0}),
        defaults={"timeout": 2.0},
    )
    save(folder, "web", parts.Certificate("c"), defaults={"retries": 7})
    mine = '{"certificates": [{"name": "d"}], "defaults": {"retries": 3}}'
    config = load(folder, '{"backup_count": 2}', mine=mine)
    values = {entry.name: entry.values for entry in config.certificates}
    shown = {name: (value.get("timeout"), value.get("retries")) for name, value in values.items()}
    assert shown == {"a": (2.0, 3), "b": (1.0, 3), "c": (None, 3), "d": (2.0, 3)}
    assert all(value["backup"] and value["backup_count"] == 2 for value in values.values())


def test_services_of_owners(folder: Path) -> None:
    """What several owners say alike is no conflict, but what you add must not be of the same name."""
    settings: t.Dict[str, t.Any] = {"web": {"kind": "nginx", "reload": ["true"]}}
    for owner in ("one", "two"):
        save(folder, owner, parts.Certificate(owner, ("web",)), services=settings)
    config = load(folder, json.dumps({"services": settings}))
    assert config.kinds(["web"]) == ["nginx"] and config.service("web").reload == ("true",)
    with pytest.raises(
        ConfigError, match=r"mine\.json, line 1: the service web is already in ocsp_stapling_services of one$"
    ):
        load(folder, "{}", mine=json.dumps({"services": settings}))


def test_a_name_that_an_owner_has_is_not_yours(folder: Path) -> None:
    save(folder, "web", parts.Certificate("a"))
    with pytest.raises(ConfigError, match=r"mine\.json, line 1: a is already in ocsp_stapling_certificates of web; "):
        load(folder, "{}", mine='{"certificates": [{"name": "a"}]}')


def test_what_is_wrong_with_a_part_is_named(folder: Path) -> None:
    path = save(folder, "web", parts.Certificate("a"))
    path.write_text(path.read_text().replace('"dropped"', '"droped"'))
    with pytest.raises(ConfigError, match=r"web\.json, line \d+: certificates\[0\]\.droped: unknown key"):
        load(folder, "{}")
