# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role on real hosts: first runs, second runs, renewals, and what clients see meanwhile."""

from __future__ import annotations

import typing as t

import pytest
from conftest import Result, lab_tool, pki_tool
from role_support import (
    MOSTLY_NEWEST,
    ROOT,
    files_under,
    is_stapled,
    is_unharmed,
    names_of,
    reloads,
    serial,
    serve_by_dovecot,
    serve_by_exim,
    serve_by_nginx,
)

Play = t.Callable[..., Result]
AddHost = t.Callable[..., lab_tool.Host]

#: The block of the ancestor's role, with its variable renamed.
ANCESTORS = {
    "nginx": {
        "domains": ["example.com", "example.net"],
        "reload": ["nginx"],
        "key_owner": "root",
        "key_group": "root",
        "key_mode": "0400",
    },
    "mailserver": {
        "domains": ["mail.example.com"],
        "reload": ["dovecot", "exim"],
        "key_owner": "root",
        "key_group": "Debian-exim",
        "key_mode": "0440",
    },
}


@pytest.fixture(scope="session")
def files(lab_pki: pki_tool.Pki) -> pki_tool.Pki:
    """The certificates of the ancestor's block."""
    for name in ("example.com", "example.net", "mail.example.com"):
        lab_pki.issue(name)
    return lab_pki


@pytest.mark.parametrize("suite", MOSTLY_NEWEST)
def test_ancestors_block_from_a_bare_host_to_a_renewal(
    suite: str, lab: lab_tool.Lab, add_host: AddHost, play: Play, files: pki_tool.Pki
) -> None:
    host = add_host(f"all-{suite}", "nginx", "exim4", "dovecot", suite=suite)
    variables = {"certificates": ANCESTORS, "source": files.home, "responder_wait": 0}
    with lab.responder(files.home):
        checked = play(host, check=True, diff=True, **variables)
        assert checked.rc == 0 and not host.has(ROOT), checked.output
        assert "example.net" in checked.output and "PRIVATE KEY" not in checked.output
        assert "ocsp-stapling.timer would be started" in checked.output

        first = play(host, diff=True, **variables)
        assert first.rc == 0 and "PRIVATE KEY" not in first.output, first.output
        serve_by_nginx(host, "example.com", "example.net")
        serve_by_exim(host)
        serve_by_dovecot(host)
        for name in ("example.com", "example.net"):
            assert is_stapled(lab.look(host, name), files.leaf(name))
        mail = files.leaf("mail.example.com")
        for port, starttls in ((25, "smtp"), (587, "smtp"), (465, "")):
            assert is_stapled(lab.look(host, mail.name, port, starttls), mail)
        assert lab.look(host, mail.name, 993) == (serial(mail), "", "")
        assert host.run("stat", "-c", "%U:%G %a", f"{ROOT}/live/example.com/privkey.pem").strip() == "root:root 400"
        assert host.run("stat", "-c", "%G %a", f"{ROOT}/live/mail.example.com/privkey.pem").split() == [
            "Debian-exim",
            "440",
        ]

        assert "PRIVATE KEY" not in host.run("journalctl", "--no-pager", "-o", "cat")

        idle = play(host, check=True, **variables)
        assert idle.rc == 0 and idle.count("changed") == 0, idle.output

        before = {unit: reloads(host, unit) for unit in ("nginx", "dovecot", "exim4")}
        old = serial(files.leaf("example.com"))
        new = files.issue("example.com")
        with lab.clients(f"{host.address}:443:example.com", f"{host.address}:443:example.net") as seen:
            renewed = play(host, **variables)
        # The set and the reload of nginx: what the owner configures and the timer stay as they are.
        assert renewed.rc == 0 and renewed.count("changed") == 2, renewed.output
        assert "Start the timer of the program" in renewed.output and "was updated" not in renewed.output
        assert is_stapled(lab.look(host, "example.com"), new)
        for spec, summary in seen.items():
            assert is_unharmed(summary), (spec, summary)
        assert {shown["certificate"] for shown in seen[f"{host.address}:443:example.com"]["shown"]} == {
            old,
            serial(new),
        }
        after = {unit: reloads(host, unit) for unit in before}
        assert after == {**before, "nginx": before["nginx"] + 1}
        assert "Reload exim" not in renewed.output and "Reload dovecot" not in renewed.output

        new_mail = files.issue("mail.example.com")
        specs = (f"{host.address}:25:mail.example.com:smtp", f"{host.address}:993:mail.example.com")
        with lab.clients(*specs, every=0.2) as seen:
            renewed = play(host, **variables)
        assert renewed.rc == 0 and "Reload nginx" not in renewed.output, renewed.output
        assert is_stapled(lab.look(host, new_mail.name, 25, "smtp"), new_mail)
        assert lab.look(host, new_mail.name, 993)[0] == serial(new_mail)
        for spec, summary in seen.items():
            assert is_unharmed(summary, refused=3 if spec.endswith("smtp") else 0), (spec, summary)


def test_responder_down_for_the_whole_play(
    lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """Nobody is left without TLS: a certificate that needs no staple comes without, one that does is held back."""
    plain = lab_pki.issue("plain.example.com", key="ec")
    demanding = lab_pki.issue("demanding.example.com", key="ec", must_staple=True)
    variables = {
        "certificates": {"web": {"domains": [plain.name, demanding.name], "reload": ["nginx"]}},
        "source": lab_pki.home,
        "responder_wait": 0,
        "options": {"timeout": 1, "total_timeout": 2, "retries": 0},
    }
    down = play(host, **variables)
    assert down.rc != 0 and "demanding.example.com was not deployed" in down.output, down.output
    assert not host.has(f"{ROOT}/live/{demanding.name}")
    serve_by_nginx(host, plain.name)
    assert lab.look(host, plain.name) == (serial(plain), "", "")
    with lab.responder(lab_pki.home):
        up = play(host, **variables)
        assert up.rc == 0, up.output
        serve_by_nginx(host, plain.name, demanding.name)
        for leaf in (plain, demanding):
            assert is_stapled(lab.look(host, leaf.name), leaf)
    renewed = lab_pki.issue(demanding.name, key="ec", must_staple=True)
    down = play(host, **variables)
    assert down.rc != 0 and serial(renewed) != lab.look(host, demanding.name)[0]
    # By the task that holds it back, and by the one that fails, of which Ansible tells twice.
    assert down.output.count("it must not be used without a staple") == 3, down.output
    assert down.output.count(f"[WARNING]: {demanding.name} was not deployed: it must not be used") == 1, down.output
    assert "ocsp-stapling status: " not in down.output, down.output
    assert lab.look(host, demanding.name)[2] == "good"


@pytest.mark.parametrize(
    "fault", ["expired", *(pytest.param(one, marks=pytest.mark.nightly) for one in ("key", "chain", "name"))]
)
def test_wrong_files_change_nothing(
    fault: str, lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki, tmp_path: t.Any
) -> None:
    good, bad = lab_pki.issue("good.example.com", key="ec"), lab_pki.issue("bad.example.com", key="ec")
    root = {"root_content": lab_pki.root.read_text()}
    entry: dict[str, t.Any] = {
        "name": bad.name,
        "private_key": bad.key,
        "certificate": bad.certificate,
        "chain": bad.chain,
        **root,
    }
    sentence = {"key": "does not match", "chain": "issue", "expired": "expired at", "name": "is not for"}[fault]
    if fault == "key":
        entry["private_key"] = good.key
    elif fault == "chain":
        other = pki_tool.Pki(tmp_path / "other").make({})
        entry["chain"], entry["root_content"] = other.issuer, other.root.read_text()
    elif fault == "expired":
        entry["certificate"] = lab_pki.issue(
            bad.name, key="ec", period=("20240101000000Z", "20250101000000Z")
        ).certificate
    else:
        entry["names"] = ["another.example.com"]
    variables = {
        "certificates": {"web": {"domains": [good.name, entry], "reload": ["nginx"]}},
        "source": lab_pki.home,
        "responder_wait": 0,
    }
    for check in (True, False):
        refused = play(host, check=check, **variables)
        assert refused.rc != 0 and sentence in refused.output and "bad.example.com" in refused.output, refused.output
    assert names_of(host, f"{ROOT}/live") == [] and names_of(host, f"{ROOT}/sets") == []


def test_a_run_that_repairs_a_refused_renewal_says_that_all_is_well(
    host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """Also with the files that are live: the status of before is no longer so."""
    one, other = (lab_pki.issue(name, key="ec", ocsp=False) for name in ("repaired.example.com", "other.example.com"))
    entry = {"name": one.name, "private_key": one.key, "certificate": one.certificate, "chain": one.chain}
    wrong = {**entry, "certificate": other.certificate}
    given = [{"certificates": {"web": {"domains": [domain], "reload": ["nginx"]}}} for domain in (entry, wrong)]
    assert play(host, **given[0]).rc == 0
    assert play(host, **given[1]).rc != 0
    assert "a renewed certificate that is valid until" in host.run("ocsp-stapling", "status", "--nagios", check=False)
    repaired = play(host, **given[0])
    assert repaired.rc == 0 and repaired.count("changed") == 0, repaired.output
    assert "1 certificate: up to date" in repaired.output and "ocsp-stapling status: " not in repaired.output


def test_nginx_broken_by_somebody_else(
    lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki
) -> None:
    leaf = lab_pki.issue("broken.example.com", key="ec")
    variables = {
        "certificates": {"web": {"domains": [leaf.name], "reload": ["nginx"]}},
        "source": lab_pki.home,
        "responder_wait": 0,
    }
    with lab.responder(lab_pki.home):
        assert play(host, **variables).rc == 0
        serve_by_nginx(host, leaf.name)
        host.write("/etc/nginx/conf.d/other.conf", "this is no directive;\n")
        lab_pki.issue(leaf.name, key="ec")
        before = files_under(host, ROOT)
        foreseen = play(host, check=True, **variables)
        said = " ".join(foreseen.output.split())
        assert "unless the new files correct that, this task would fail and replace no certificate" in said, (
            foreseen.output
        )
        refused = play(host, **variables)
        assert refused.rc != 0 and "already broken before this run" in refused.output, refused.output
        assert "other.conf" in refused.output
        assert host.run("readlink", f"{ROOT}/live/{leaf.name}").strip() in before
        assert lab.look(host, leaf.name)[2] == "good"
        host.run("rm", "/etc/nginx/conf.d/other.conf")
        assert play(host, **variables).rc == 0
        # Where nothing changes, and a reload is outstanding.
        host.write("/etc/nginx/conf.d/other.conf", "this is no directive;\n")
        host.run("touch", "/var/lib/ocsp-stapling/pending/nginx")
        foreseen = play(host, check=True, **variables)
        assert "until that is repaired, nginx cannot be reloaded" in " ".join(foreseen.output.split()), foreseen.output
        for _time in range(2):
            refused = play(host, **variables)
            said = " ".join(refused.output.split())
            assert refused.rc != 0 and "not all servers could be reloaded: the configuration of nginx" in said, said
        host.run("rm", "/etc/nginx/conf.d/other.conf")
        assert play(host, **variables).rc == 0
        assert is_stapled(lab.look(host, leaf.name), lab_pki.leaf(leaf.name))


def test_swapped_back_when_the_new_certificate_breaks_the_configuration(
    lab: lab_tool.Lab, host: lab_tool.Host, play: Play, lab_pki: pki_tool.Pki
) -> None:
    """A user's configuration that goes on with a copy of the old key is found by the test of nginx."""
    leaf = lab_pki.issue("back.example.com", key="ec")
    variables = {
        "certificates": {"web": {"domains": [leaf.name], "reload": ["nginx"]}},
        "source": lab_pki.home,
        "responder_wait": 0,
    }
    with lab.responder(lab_pki.home):
        assert play(host, **variables).rc == 0
        host.run("cp", f"{ROOT}/live/{leaf.name}/privkey.pem", "/root/copy.key")
        host.write(
            "/etc/nginx/sites-enabled/tls",
            f"server {{ listen 443 ssl; ssl_certificate {ROOT}/live/{leaf.name}/fullchain.pem;\n"
            f"ssl_certificate_key /root/copy.key; include {ROOT}/live/{leaf.name}/nginx-staple[.]conf; }}\n",
        )
        host.run("systemctl", "reload", "nginx")
        old = serial(leaf)
        lab_pki.issue(leaf.name, key="ec")
        with lab.clients(f"{host.address}:443:{leaf.name}") as seen:
            refused = play(host, **variables)
        assert refused.rc != 0 and "were rolled back" in refused.output, refused.output
        summary = seen[f"{host.address}:443:{leaf.name}"]
        assert is_unharmed(summary), summary
        assert [shown["certificate"] for shown in summary["shown"]] == [old]
        host.run("nginx", "-t", "-q")
        host.run("systemctl", "restart", "nginx")
        assert lab.look(host, leaf.name) == (old, old, "good")
