# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several roles and plays include this one for the same host: their certificates add up, and each has its own."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import time
import typing as t
from pathlib import Path

import pytest
from conftest import Result, lab_tool, pki_tool, run_program
from role_support import (
    ROOT,
    is_stapled,
    is_unharmed,
    names_of,
    serial,
    serve_by_dovecot,
    serve_by_exim,
    serve_by_nginx,
)

AddHost = t.Callable[..., lab_tool.Host]
Include = t.Callable[..., Result]

WEB, SHOP = "www.example.com", "shop.example.com"
MAIL = "mail.example.com"
API, OLD = "api.example.com", "old.example.com"
PROXY_PORT = 8443
KEY = {"key_group": "Debian-exim", "key_mode": "0440"}

#: The groups that each role has.
GROUPS: dict[str, dict[str, t.Any]] = {
    "web": {"web": {"domains": [WEB, SHOP], "reload": ["nginx"]}},
    "mail": {"mail": {"domains": [MAIL], "reload": ["exim", "dovecot"], **KEY}},
    "proxy": {"proxy": {"domains": [API, OLD], "reload": ["haproxy"]}},
}
#: How clients reach each certificate: the port, and the protocol before TLS.
PLACES = {
    WEB: (443, ""),
    SHOP: (443, ""),
    MAIL: (465, ""),
    API: (PROXY_PORT, ""),
    OLD: (PROXY_PORT, ""),
}
ENDPOINTS = [
    {"service": "nginx", "port": 443},
    {"service": "exim", "port": 465},
    {"service": "dovecot", "port": 993},
    {"service": "haproxy", "port": PROXY_PORT},
]


@pytest.fixture
def include(lab: lab_tool.Lab, tmp_path: Path, lab_pki: pki_tool.Pki) -> Include:
    """Run a play of roles that include the role, each with variables of its own."""

    def run(
        host: lab_tool.Host,
        *roles: str,
        groups: t.Mapping[str, t.Any] | None = None,
        check: bool = False,
        **variables: t.Any,
    ) -> Result:
        common = {"source": lab_pki.home, "responder_wait": 0, "endpoints": ENDPOINTS, **variables}
        for role in roles:
            given = {"certificates": (groups or GROUPS).get(role, {}), **common}
            task = {
                "name": "Deploy certificates",
                "ansible.builtin.include_role": {"name": "certops.ocsp.ocsp_stapling"},
                "vars": {f"ocsp_stapling_{name}": value for name, value in given.items()},
            }
            path = tmp_path / "roles" / role / "tasks" / "main.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps([task], default=str))
        play = {"hosts": host.name, "gather_facts": False, "roles": list(roles)}
        return playbook(lab, tmp_path, play, check=check)

    return run


def playbook(
    lab: lab_tool.Lab, folder: Path, *plays: t.Mapping[str, t.Any], check: bool = False, tags: str = ""
) -> Result:
    path = folder / "site.yml"
    path.write_text(json.dumps(plays, default=str))
    switches = [*(["--check", "--diff"] if check else []), *(["--tags", tags] if tags else [])]
    done = run_program(
        "ansible-playbook", "-i", lab.inventory, *switches, path, env={**os.environ, "ANSIBLE_PIPELINING": "true"}
    )
    return Result(done.returncode, done.stdout + done.stderr)


def serve(host: lab_tool.Host) -> None:
    """Have all four servers serve what their roles deploy."""
    serve_by_nginx(host, WEB, SHOP)
    serve_by_exim(host)
    serve_by_dovecot(host)
    serve_by_haproxy(host)


def serve_by_haproxy(host: lab_tool.Host) -> None:
    host.write(
        "/etc/haproxy/haproxy.cfg",
        "global\n stats socket /run/haproxy/admin.sock mode 660 level admin\n"
        "defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n"
        f"frontend tls\n bind :{PROXY_PORT} ssl crt-list {ROOT}/snippets/haproxy.list\n"
        ' http-request return status 200 content-type text/plain string "ok"\n',
    )
    host.run("systemctl", "restart", "haproxy")


def all_are_served(lab: lab_tool.Lab, host: lab_tool.Host, pki: pki_tool.Pki, *names: str) -> None:
    for name in names:
        port, starttls = PLACES[name]
        assert is_stapled(lab.look(host, name, port, starttls), pki.leaf(name)), name


def warnings_of(result: Result) -> str:
    return "\n".join(line for line in result.output.splitlines() if "[WARNING]" in line)


def said(result: Result) -> str:
    return " ".join(result.output.split())


def test_three_roles_on_one_host(lab: lab_tool.Lab, add_host: AddHost, include: Include, lab_pki: pki_tool.Pki) -> None:
    """In any order, and clients of all of them all the time."""
    host = add_host("shared", "nginx", "exim4", "dovecot", "haproxy")
    for name in PLACES:
        lab_pki.issue(name, key="ec")
    with lab.responder(lab_pki.home):
        first = include(host, "web", "mail", "proxy")
        # What is asked before anything is installed looks for faults alone.
        assert first.rc == 0 and "example.com" not in warnings_of(first), first.output
        assert names_of(host, f"{ROOT}/parts") == ["mail.json", "proxy.json", "web.json"]
        serve(host)
        all_are_served(lab, host, lab_pki, *PLACES)

        # One of them removes a certificate.
        specs = {name: f"{host.address}:{PLACES[name][0]}:{name}" for name in PLACES}
        fewer = {**GROUPS, "proxy": {"proxy": {"domains": [API], "reload": ["haproxy"]}}}
        left = [name for name in PLACES if name != OLD]
        with lab.clients(*(specs[name] for name in left), every=0.1) as seen:
            removed = include(host, "web", "proxy", "mail", groups=fewer)
            second = include(host, "proxy", "mail", "web", groups=fewer)
        assert removed.rc == 0 and f"{OLD} (no longer for haproxy)" in said(removed), removed.output
        assert "ocsp-stapling status" not in removed.output, removed.output
        assert second.rc == 0 and second.count("changed") == 0, second.output
        for name in left:
            summary = seen[specs[name]]
            assert is_unharmed(summary, refused=3) and summary["handshakes"] > 0, (name, summary)
            assert {shown["certificate"] for shown in summary["shown"]} == {serial(lab_pki.leaf(name))}, name
            assert all(shown["status"] == "good" for shown in summary["shown"]), (name, summary)
        assert OLD not in names_of(host, f"{ROOT}/live") + names_of(host, f"{ROOT}/sets")
        assert lab.look(host, OLD, PROXY_PORT)[0] != serial(lab_pki.leaf(OLD))
        all_are_served(lab, host, lab_pki, *left)

        # Another one is uninstalled, which its server has to be told of first.
        refused = include(host, "web", groups=fewer, state="absent")
        assert refused.rc != 0 and " are still used by /etc/nginx/" in said(refused)
        assert "nothing was removed, because " in said(refused)
        all_are_served(lab, host, lab_pki, *left)
        host.run("rm", "/etc/nginx/sites-enabled/tls")
        host.run("systemctl", "reload", "nginx")
        gone = include(host, "web", groups=fewer, state="absent")
        assert gone.rc == 0, gone.output
        assert names_of(host, f"{ROOT}/live") == [API, MAIL]
        assert names_of(host, f"{ROOT}/parts") == ["mail.json", "proxy.json"]
        all_are_served(lab, host, lab_pki, API, MAIL)
        assert host.run("ocsp-stapling", "status", "--nagios").startswith("OCSP OK")
        rest = include(host, "mail", "proxy", groups=fewer)
        assert rest.rc == 0 and rest.count("changed") == 0, rest.output


@pytest.mark.nightly
def test_a_later_role_does_not_take_the_default_certificate(
    lab: lab_tool.Lab, add_host: AddHost, include: Include, lab_pki: pki_tool.Pki
) -> None:
    """HAProxy shows it to clients without SNI; what its own role changes about that is said before and then."""
    host = add_host("defaults", "haproxy")
    for name in (MAIL, API, OLD):
        lab_pki.issue(name, key="ec")
    groups = {
        role: {role: {"domains": domains, "reload": ["haproxy"]}}
        for role, domains in {"zoo": [OLD, MAIL], "aaa": [API]}.items()
    }

    def shown() -> str:
        command = f"openssl s_client -connect 127.0.0.1:{PROXY_PORT} -noservername </dev/null | openssl x509 -text"
        return ",".join(re.findall(r"DNS:([a-z.]+)", host.run("sh", "-c", command)))

    def moved(verb: str, before: str, after: str) -> str:
        return (
            f"the default certificate of HAProxy, for clients that send no known name, {verb} from {before} to {after}"
        )

    with lab.responder(lab_pki.home):
        first = include(host, "zoo", groups=groups)
        assert first.rc == 0, first.output
        serve_by_haproxy(host)
        assert shown() == OLD
        added = include(host, "aaa", groups=groups)
        assert added.rc == 0 and "default certificate" not in said(added) and shown() == OLD, added.output
        again = include(host, "aaa", "zoo", groups=groups)
        assert again.rc == 0 and again.count("changed") == 0, again.output
        other = {**groups, "zoo": {"zoo": {"domains": [MAIL, OLD], "reload": ["haproxy"]}}}
        foreseen = include(host, "zoo", groups=other, check=True)
        assert moved("would change", OLD, MAIL) in said(foreseen) and shown() == OLD, foreseen.output
        told = include(host, "zoo", groups=other)
        assert told.rc == 0 and moved("changes", OLD, MAIL) in said(told) and shown() == MAIL, told.output
        foreseen = include(host, "zoo", groups=other, check=True, state="absent")
        assert moved("would change", MAIL, API) in said(foreseen) and shown() == MAIL, foreseen.output
        gone = include(host, "zoo", groups=other, state="absent")
        assert gone.rc == 0 and moved("changes", MAIL, API) in said(gone) and shown() == API, gone.output
        back = include(host, "zoo", groups=groups)
        assert back.rc == 0 and "default certificate" not in said(back) and shown() == API, back.output


ROLE = "certops.ocsp.ocsp_stapling"


def inclusion(pki: pki_tool.Pki, *names: t.Any, **variables: t.Any) -> dict[str, t.Any]:
    """A task that includes the role for these names."""
    given = {"certificates": {"web": {"domains": list(names), "reload": ["nginx"]}}, **variables}
    given = {"source": str(pki.home), "responder_wait": 0, **given}
    return {
        "name": "Deploy certificates",
        "ansible.builtin.include_role": {"name": ROLE},
        "vars": {f"ocsp_stapling_{name}": value for name, value in given.items()},
    }


@pytest.fixture
def web_host(host: lab_tool.Host, lab_pki: pki_tool.Pki) -> lab_tool.Host:
    """A host with nginx, and the certificates of most tests."""
    for name in (WEB, SHOP, API):
        lab_pki.issue(name, key="ec")
    return host


@pytest.fixture
def run(
    lab: lab_tool.Lab, lab_pki: pki_tool.Pki, web_host: lab_tool.Host, tmp_path: Path
) -> t.Iterator[t.Callable[..., Result]]:
    """Run plays of these tasks, each a play of its own. The responder answers all the time."""

    def once(*plays: t.Sequence[t.Mapping[str, t.Any]], force_handlers: bool = False, **how: t.Any) -> Result:
        common = {"hosts": web_host.name, "gather_facts": False, "force_handlers": force_handlers}
        named = len(plays) > 1
        given = [
            {**common, **({"name": f"Play {number}"} if named else {}), "tasks": tasks}
            for number, tasks in enumerate(plays)
        ]
        return playbook(lab, tmp_path, *given, **how)

    with lab.responder(lab_pki.home):
        yield once


@pytest.mark.parametrize("given", [pytest.param("loop", marks=pytest.mark.nightly), "variable"])
def test_a_loop_of_inclusions(
    lab: lab_tool.Lab, web_host: lab_tool.Host, run: t.Callable[..., Result], lab_pki: pki_tool.Pki, given: str
) -> None:
    """What a shorter one lacks is missed in the first run, and what the role deploys after the loop stays."""

    def tasks(*names: str) -> list[dict[str, t.Any]]:
        loop = {**inclusion(lab_pki, "{{ item }}"), "loop": list(names)}
        if given == "variable":
            loop.update(loop="{{ names | list }}", vars={**loop["vars"], "names": list(names)})
        return [loop, inclusion(lab_pki, API)]

    assert run(tasks(WEB, SHOP)).rc == 0
    serve_by_nginx(web_host, WEB, SHOP)
    again = run(tasks(WEB, SHOP))
    assert again.rc == 0 and again.count("changed") == 0, again.output
    assert "ocsp-stapling status" not in again.output, again.output
    all_are_served(lab, web_host, lab_pki, WEB, SHOP)
    # The last one is gone, and nginx still needs it.
    kept = run(tasks(WEB))
    assert kept.rc == 0, kept.output
    assert f"{SHOP} is no longer configured, but is kept because it is still used by /etc/nginx/" in said(kept)
    serve_by_nginx(web_host, WEB)
    foreseen = run(tasks(WEB), check=True)
    would = "would be removed at the end of the play unless it fails or a later task configures it again"
    assert foreseen.rc == 0 and f"no longer configured, {would}: {SHOP}" in said(foreseen), foreseen.output
    assert names_of(web_host, f"{ROOT}/live") == [API, SHOP, WEB]
    assert run(tasks(WEB)).rc == 0
    assert names_of(web_host, f"{ROOT}/live") == [API, WEB]
    all_are_served(lab, web_host, lab_pki, WEB)


@pytest.mark.nightly
def test_a_run_that_skips_tasks_keeps_their_certificates(
    lab: lab_tool.Lab, web_host: lab_tool.Host, run: t.Callable[..., Result], lab_pki: pki_tool.Pki
) -> None:
    """By tags or conditions; what the task that runs has lost goes all the same."""

    def tasks(web: t.Sequence[str], shop: t.Sequence[str], condition: bool = True) -> list[dict[str, t.Any]]:
        def one(tag: str, names: t.Sequence[str]) -> dict[str, t.Any]:
            task = {**inclusion(lab_pki, *names), "name": f"Deploy for {tag}", "tags": [tag]}
            task["ansible.builtin.include_role"] = {"name": ROLE, "apply": {"tags": [tag]}}
            return task

        return [{**one("web", web), "when": condition}, one("shop", shop)]

    assert run(tasks([WEB], [SHOP, API])).rc == 0
    for result in (run(tasks([WEB], [SHOP, API]), tags="shop"), run(tasks([WEB], [SHOP, API], condition=False))):
        assert result.rc == 0 and result.count("changed") == 0, result.output
    fewer = run(tasks([WEB], [SHOP]), tags="shop")
    assert fewer.rc == 0 and f"later task configures it again: {API}" in said(fewer), fewer.output
    assert names_of(web_host, f"{ROOT}/live") == [SHOP, WEB]
    again = run(tasks([WEB], [SHOP]))
    assert again.rc == 0 and again.count("changed") == 0, again.output


def test_a_loop_that_fails_loses_nothing_to_another_task(
    lab: lab_tool.Lab, web_host: lab_tool.Host, run: t.Callable[..., Result], lab_pki: pki_tool.Pki
) -> None:
    """Whatever place in the loop a certificate has now. One that two tasks give has the services of both."""
    lab_pki.issue("new.example.com", key="ec")

    def tasks(*names: str) -> list[dict[str, t.Any]]:
        loop = {**inclusion(lab_pki, "{{ item }}"), "name": "Deploy each", "loop": list(names)}
        other = {**inclusion(lab_pki, API), "name": "Deploy another one", "tags": ["other"]}
        other["ansible.builtin.include_role"] = {"name": ROLE, "apply": {"tags": ["other"]}}
        given = {"ocsp_stapling_certificates": {"shell": {"domains": [API], "reload": ["ssh"]}}}
        again = {**inclusion(lab_pki), "name": "Deploy it for another service"}
        return [loop, other, {**again, "vars": {**again["vars"], **given}}]

    assert run(tasks(SHOP)).rc == 0
    idle = run(tasks(SHOP))
    assert idle.rc == 0 and idle.count("changed") == 0, idle.output
    found = json.loads(web_host.run("ocsp-stapling", "status", "--json", API, check=False))
    assert found["certificates"][API]["services"] == ["nginx", "ssh"], found
    failed = run(tasks("new.example.com", "missing.example.com", SHOP))
    assert failed.rc != 0 and "missing.example.com" in failed.output and "no longer" not in failed.output
    part = run(tasks("new.example.com", "missing.example.com", SHOP), tags="other")
    assert part.rc == 0 and part.count("changed") == 0, part.output
    assert names_of(web_host, f"{ROOT}/live") == [API, "new.example.com", SHOP]
    assert "no playbook" not in web_host.run("ocsp-stapling", "status", check=False)
    done = run(tasks("new.example.com"))
    assert done.rc == 0 and names_of(web_host, f"{ROOT}/live") == [API, "new.example.com"], done.output


def test_what_the_module_deploys_without_the_role(
    lab: lab_tool.Lab, web_host: lab_tool.Host, run: t.Callable[..., Result], lab_pki: pki_tool.Pki
) -> None:
    """The program on the host says what becomes of its staple, and has it renewed where a file asks for it."""
    alone = {
        "certops.ocsp.certificate_set": {
            "source": str(lab_pki.home),
            "certificates": [{"name": SHOP, "services": ["nginx"]}],
        }
    }
    assert run([inclusion(lab_pki, WEB), alone]).rc == 0
    serve_by_nginx(web_host, WEB, SHOP)
    all_are_served(lab, web_host, lab_pki, WEB, SHOP)
    at_once = " ".join(web_host.run("ocsp-stapling", "status", check=False).split())
    assert f"{SHOP}: it was deployed by certificate_set without the role, but " in at_once, at_once
    web_host.run("ocsp-stapling", "apply", check=False)
    warned = " ".join(web_host.run("ocsp-stapling", "status", check=False).split())
    assert f"{SHOP}: it was deployed by certificate_set without the role, but no configuration asks for its" in warned
    assert "will be withdrawn before 20" in warned, warned
    assert web_host.run("ocsp-stapling", "status", "--nagios", check=False).startswith("OCSP WARNING")
    mine = {"certificates": [{"name": SHOP, "services": ["nginx"]}]}
    web_host.write(f"{ROOT}/conf.d/mine.json", json.dumps(mine))
    web_host.run("ocsp-stapling", "refresh")
    web_host.run("ocsp-stapling", "apply")
    assert web_host.run("ocsp-stapling", "status", "--nagios").startswith("OCSP OK")
    all_are_served(lab, web_host, lab_pki, WEB, SHOP)
    web_host.run("rm", f"{ROOT}/conf.d/mine.json")


def test_a_certificate_moves_from_one_owner_to_another(
    lab: lab_tool.Lab, web_host: lab_tool.Host, run: t.Callable[..., Result], lab_pki: pki_tool.Pki
) -> None:
    """Without a moment without it."""

    def owners(*one: str, two: t.Sequence[str]) -> list[dict[str, t.Any]]:
        return [inclusion(lab_pki, *one, owner="one"), inclusion(lab_pki, *two, owner="two")]

    assert run(owners(WEB, SHOP, two=[API])).rc == 0
    serve_by_nginx(web_host, WEB, SHOP, API)
    # Where the role does not see it, so that nothing but the plays keeps it.
    web_host.run("mv", "/etc/nginx/sites-enabled/tls", "/opt/tls.conf")
    web_host.write("/etc/nginx/sites-enabled/tls", "include /opt/tls.conf;\n")
    with lab.clients(f"{web_host.address}:443:{SHOP}") as seen:
        moved = run(owners(WEB, two=[API, SHOP]))
    assert moved.rc == 0, moved.output
    (summary,) = seen.values()
    assert is_unharmed(summary) and {shown["certificate"] for shown in summary["shown"]} == {serial(lab_pki.leaf(SHOP))}
    assert names_of(web_host, f"{ROOT}/live") == [API, SHOP, WEB]
    # What a server needs stays, wherever it is told of it.
    needed = run(owners(WEB, two=[API]))
    assert (
        needed.rc == 0
        and f"{SHOP} was not removed, because a server still needs it: the configuration of nginx" in said(needed)
    )
    all_are_served(lab, web_host, lab_pki, SHOP)


def test_a_play_that_fails_removes_nothing(
    lab: lab_tool.Lab, web_host: lab_tool.Host, run: t.Callable[..., Result], lab_pki: pki_tool.Pki
) -> None:
    """What an inclusion no longer gives may be a later one's, which does not come then."""
    lab_pki.issue("bad.example.com", key="ec")
    assert run([inclusion(lab_pki, SHOP, "bad.example.com")]).rc == 0
    serve_by_nginx(web_host, "bad.example.com")
    lab_pki.revoke("bad.example.com")
    web_host.run("ocsp-stapling", "refresh", "--force", check=False)
    web_host.run("ocsp-stapling", "apply", check=False)
    moved = [inclusion(lab_pki, "bad.example.com"), inclusion(lab_pki, SHOP)]
    for forced in (True, False):
        failed = run(moved, force_handlers=forced)
        assert failed.rc != 0 and "bad.example.com is revoked but in use: replace it" in said(failed), failed.output
        assert "revoked, but in use: bad.example.com" in said(failed)
        assert names_of(web_host, f"{ROOT}/live") == ["bad.example.com", SHOP]
    # Of another owner, whose play goes well.
    assert run([inclusion(lab_pki, WEB, API, owner="other")]).rc == 0
    other = run([inclusion(lab_pki, WEB, owner="other")])
    assert other.rc == 0 and names_of(web_host, f"{ROOT}/live") == ["bad.example.com", SHOP, WEB], other.output
    lab_pki.issue("bad.example.com", key="ec")
    assert run(moved).rc == 0 and names_of(web_host, f"{ROOT}/live") == ["bad.example.com", SHOP, WEB]
    assert run(moved[:1]).rc == 0 and names_of(web_host, f"{ROOT}/live") == ["bad.example.com", SHOP, WEB]
    status = web_host.run("ocsp-stapling", "status", "bad.example.com")
    assert "good" in status and "revoked" not in status, status


def test_two_plays(
    lab: lab_tool.Lab, web_host: lab_tool.Host, run: t.Callable[..., Result], lab_pki: pki_tool.Pki
) -> None:
    for changed in (True, False):
        both = run([inclusion(lab_pki, WEB)], [inclusion(lab_pki, API, SHOP)])
        assert both.rc == 0 and (both.count("changed") > 0) is changed, both.output
    assert names_of(web_host, f"{ROOT}/live") == [API, SHOP, WEB]
    refused = run([inclusion(lab_pki, WEB, {"name": SHOP, "options": {"retries": 1}})])
    assert refused.rc != 0, refused.output
    assert f"{SHOP}: 'site.yml' gives a different option retries than 'Play 1 (site.yml)'; make both the same" in said(
        refused
    )


def test_two_plays_at_the_same_time(
    lab: lab_tool.Lab, web_host: lab_tool.Host, lab_pki: pki_tool.Pki, tmp_path: Path
) -> None:
    """Each renews a certificate of its own, and whichever confirms first takes nothing of the other back."""

    def renew(name: str, wait: float = 0.0) -> Result:
        time.sleep(wait)
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        tasks = [inclusion(lab_pki, name, owner=name)]
        return playbook(lab, folder, {"hosts": web_host.name, "gather_facts": False, "tasks": tasks})

    with lab.responder(lab_pki.home), concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name in (WEB, SHOP):
            assert renew(name).rc == 0
        serve_by_nginx(web_host, WEB, SHOP)
        for wait in (0.6, 0.9, 1.2, 1.5):
            for name in (WEB, SHOP):
                lab_pki.issue(name, key="ec")
            for done in pool.map(renew, (WEB, SHOP), (0.0, wait)):
                assert done.rc == 0 and done.count("changed") > 0, done.output
            all_are_served(lab, web_host, lab_pki, WEB, SHOP)


def test_roles_that_depend_on_the_role(
    lab: lab_tool.Lab, web_host: lab_tool.Host, run: t.Callable[..., Result], lab_pki: pki_tool.Pki, tmp_path: Path
) -> None:
    for role, name in (("site", WEB), ("store", SHOP)):
        folder = tmp_path / "roles" / role / "meta"
        folder.mkdir(parents=True)
        dependency = {"role": ROLE, "vars": inclusion(lab_pki, name)["vars"]}
        (folder / "main.yml").write_text(json.dumps({"dependencies": [dependency]}))
    both = [{"import_role": {"name": role}} for role in ("site", "store")]
    assert run(both).rc == 0
    assert names_of(web_host, f"{ROOT}/parts") == ["site.json", "store.json"]


def test_a_host_from_before_there_were_owners(
    lab: lab_tool.Lab, web_host: lab_tool.Host, run: t.Callable[..., Result], lab_pki: pki_tool.Pki
) -> None:
    """It has one configuration for all, of which one owner after the other claims its own; no staple goes away."""
    assert run([inclusion(lab_pki, WEB, SHOP)]).rc == 0
    serve_by_nginx(web_host, WEB, SHOP)
    config = json.loads(web_host.read(f"{ROOT}/config.json"))
    config["certificates"] = [{"name": name, "services": ["nginx"]} for name in (WEB, SHOP)]
    web_host.write(f"{ROOT}/config.json", json.dumps(config))
    web_host.run("rm", "-r", f"{ROOT}/parts")
    with lab.clients(*(f"{web_host.address}:443:{name}" for name in (WEB, SHOP))) as seen:
        assert run([inclusion(lab_pki, WEB)], [inclusion(lab_pki, SHOP)]).rc == 0
    for summary in seen.values():
        assert is_unharmed(summary) and all(shown["status"] == "good" for shown in summary["shown"]), summary
    assert "former.json" not in names_of(web_host, f"{ROOT}/parts")
    assert web_host.run("ocsp-stapling", "status", "--nagios").startswith("OCSP OK")
    again = run([inclusion(lab_pki, WEB)], [inclusion(lab_pki, SHOP)])
    assert again.rc == 0 and again.count("changed") == 0, again.output


def test_an_owner_that_is_removed_twice_leaves_others_alone(
    web_host: lab_tool.Host, run: t.Callable[..., Result], lab_pki: pki_tool.Pki
) -> None:
    """Whatever has nothing on the host says whose certificates are there, and changes nothing."""
    assert run([inclusion(lab_pki, WEB), inclusion(lab_pki, SHOP, owner="shop")]).rc == 0
    for changed in (True, False):
        gone = run([inclusion(lab_pki, state="absent", certificates={})])
        assert gone.rc == 0 and (gone.count("changed") > 0) is changed, gone.output
        assert names_of(web_host, f"{ROOT}/live") == [SHOP]
        assert names_of(web_host, f"{ROOT}/parts") == ["shop.json"]
    assert "'site.yml' has no certificates on this host, so none are removed; those on it belong to 'shop'" in said(
        gone
    )
    assert web_host.run("ocsp-stapling", "status", "--nagios").startswith("OCSP OK")
    serve_by_nginx(web_host, SHOP)
    web_host.run("rm", "/etc/nginx/sites-enabled/tls")
    all_of_them = run([inclusion(lab_pki, state="absent", owner="all", certificates={})])
    assert all_of_them.rc == 0 and not web_host.has(ROOT), all_of_them.output
    # It has not been reloaded since its configuration named them.
    assert f"{SHOP} was removed; reloaded before that: nginx" in said(all_of_them), all_of_them.output


@pytest.mark.nightly
def test_a_server_that_a_removal_by_force_breaks_is_told_by_each_run(
    web_host: lab_tool.Host, run: t.Callable[..., Result], lab_pki: pki_tool.Pki
) -> None:
    assert run([inclusion(lab_pki, WEB), inclusion(lab_pki, SHOP, owner="shop")]).rc == 0
    serve_by_nginx(web_host, WEB, SHOP)
    for _times in range(2):
        gone = run([inclusion(lab_pki, state="absent", certificates={}, force=True)])
        assert gone.rc == 0 and gone.count("rescued") == 1, gone.output
        assert re.search(rf"not all servers could be reloaded: .*{ROOT}/live/{WEB}/", said(gone)), gone.output
    serve_by_nginx(web_host, SHOP)
    repaired = run([inclusion(lab_pki, state="absent", certificates={}, force=True)])
    assert repaired.rc == 0 and repaired.count("rescued") == 0, repaired.output


def test_a_removal_by_force_names_the_lines_that_it_breaks(
    web_host: lab_tool.Host, run: t.Callable[..., Result], lab_pki: pki_tool.Pki
) -> None:
    """Also in check mode; and then these lines keep nothing from being removed."""
    assert run([inclusion(lab_pki, WEB)]).rc == 0
    serve_by_nginx(web_host, WEB)
    changed = set()
    for check in (True, False):
        gone = run([inclusion(lab_pki, state="absent", certificates={}, force=True)], check=check)
        assert gone.rc == 0, gone.output
        changed.add(gone.count("changed"))
        assert f"what is in {ROOT} is still used by /etc/nginx/" in said(gone), gone.output
        assert "the server may fail to reload or start until you remove " in said(gone), gone.output
    assert not web_host.has(ROOT) and len(changed) == 1, "check mode foretells each change"
    again = run([inclusion(lab_pki, state="absent", certificates={})])
    web_host.run("rm", "/etc/nginx/sites-enabled/tls")
    assert again.rc == 0 and again.count("changed") == 0, again.output
    assert f"no certificates are left in {ROOT}, but it is still named in /etc/nginx/" in said(again), again.output
