# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of certificates by ACME, between the tasks that talk to the CA."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import math
import os
import resource
import signal
import tempfile
import time
import typing as t
from datetime import datetime, timezone

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.certops.ocsp.plugins.module_utils import _acme_host
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import refusal
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.text import join_words
from ansible_collections.certops.ocsp.plugins.modules.acme_orders import STATES
from ansible_collections.certops.ocsp.plugins.plugin_utils import (
    _acme_answers,
    _acme_folder,
    _acme_keys,
    _acme_orders,
    _acme_plan,
    _acme_wanted,
    _fetching,
    _groups,
    _guard,
    _owner,
    _program,
)

Values = dict[str, t.Any]

_MODULE = "certops.ocsp.acme_orders"
_ASKING = "community.crypto"
#: Octets for one of its modules, which takes about a tenth of that.
_MOST_MEMORY = 1024**3
#: How many keys that were encrypted are told of by their names.
_MOST_KEYS = 10
_PLACE = "__acme_certificates_host"
_LOOKS = "__acme_certificates_looks"
#: With these, hosts run on by themselves, so that each would order for all.
_SEPARATE = ("free", "host_pinned")
_ROLE = "acme_certificates"
_PREFIX = f"{_ROLE}_"
#: What the role itself gives to the tasks that set DNS records; a play may set them to try those tasks out.
_GIVEN = (f"{_PREFIX}dns_records", f"{_PREFIX}dns_state")
_SECRETS: Values = {"vault_secret": "", "account_key_content": "", "eab": {}, "environment": {}}
_NOT_A_SECRET = (
    "acme_certificates_vault_secret is none of the vault secrets of this run, so that keys could not be decrypted; "
    "give the same one with --vault-id or --vault-password-file"
)


class ActionModule(ActionBase):
    """Each state of the module is a step of the role; what one returns, the next one is given."""

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> Values:
        """Take one step."""
        super().run(tmp, task_vars)
        arguments, variables = dict(self._task.args), task_vars or {}
        step = getattr(self, f"_{arguments.get('state')}", None)
        if step is None:
            raise AnsibleActionFail(f"state must be one of {', '.join(STATES)}")
        with _guard.without_secrets(arguments, _variable_of):
            given = {**(arguments.get("settings") or {}), **self._secrets(variables)}
            settings, faults = _acme_wanted.read_settings(given)
            if faults:
                groups = _groups.read(arguments.get("groups") or [], remote=bool(given.get("remote_source")))
                raise AnsibleActionFail(refusal([*_unknown_variables(variables), *faults, *groups.faults]))
            try:
                return {"changed": False, **step(arguments, settings, variables)}
            except OSError as error:
                raise AnsibleActionFail(f"{error.filename} cannot be used: {error.strerror}") from error

    def _secrets(self, variables: Values) -> Values:
        """The variables that are secret: they are no arguments of the task, which others may log."""
        given = {name: variables[f"{_PREFIX}{name}"] for name in _SECRETS if f"{_PREFIX}{name}" in variables}
        return {**_SECRETS, **self._templar.template(given)}

    # What is wanted

    def _wanted(self, arguments: Values, settings: Values, variables: Values) -> Values:
        """What this host wants, and what it knows of revocations."""
        problem = _acme_plan.missing_collection()
        if problem:
            raise AnsibleActionFail(problem)
        groups = _groups.read(arguments.get("groups") or [], remote=bool(settings["remote_source"]))
        requests, faults = _acme_wanted.read(groups.obtainable, settings)
        names = {one.name for one in requests}
        return {
            "requests": [one.values() for one in requests],
            "faults": [*_unknown_variables(variables), *groups.faults, *faults],
            **(self._proofs(names, variables) if names else {"proofs": {}}),
        }

    def _proofs(self, names: t.Collection[str], variables: Values) -> Values:
        """The responses by which this host knows that certificates were revoked, as Base64. They are judged later."""
        given = {"state": "wanted", "names": sorted(names)}
        result = self._execute_module(_MODULE, module_args=given, task_vars=variables)
        claimed = result.get("proofs")
        found = {name: claimed[name] for name in names if name in claimed} if isinstance(claimed, dict) else {}
        proofs = {name: proof for name, proof in found.items() if _acme_host.is_proof(proof)}
        return {"proofs": proofs, **{key: result[key] for key in ("warnings",) if key in result}}

    def _asked(self, arguments: Values, settings: Values, variables: Values) -> Values:
        """Whether the CA answers: asked once, since each module would try for minutes."""
        given = {"state": "asked", "directory": settings["directory"], "ca_path": arguments.get("ca_path")}
        result: Values = self._execute_module(_MODULE, module_args=given, task_vars=variables)
        return result

    def _planned(self, arguments: Values, settings: Values, variables: Values) -> Values:
        """All certificates of all hosts, or all that is wrong."""
        by_host = self._by_host(variables)
        requests, faults = _acme_wanted.unite(
            {host: [_acme_wanted.Request.of(one) for one in said["requests"]] for host, said in by_host.items()}
        )
        faults = list(dict.fromkeys([*(fault for said in by_host.values() for fault in said["faults"]), *faults]))
        settings = self._placed(settings, variables)
        folder = _acme_plan.folder_of(settings, variables["playbook_dir"])
        faults += _acme_plan.faults(settings, requests, folder, variables["hostvars"])
        faults += [*self._strategy_fault(), *self._vault_fault(settings)]
        if faults:
            raise AnsibleActionFail(refusal(faults))
        proofs: dict[str, list[str]] = {}
        for known in (*(said["proofs"] for said in by_host.values()), _fetched_proofs(requests, folder, settings)):
            for name, proof in known.items():
                proofs.setdefault(name, []).append(proof)
        encrypted, problems = self._encrypt_keys(folder, settings)
        problems += _acme_plan.warnings(requests, folder)
        return {
            **self._told_encrypted(encrypted),
            **({"warnings": problems} if problems else {}),
            "requests": [one.values() for one in requests],
            "certificates": _acme_plan.questions(requests, folder, settings, proofs),
            "folder": folder.path,
            "account_key": settings["account_key"] or folder.account_key,
            "dns_tasks": settings["dns_tasks"],
            "missing": [one.name for one in requests if not folder.has(one.name)],
        }

    def _by_host(self, variables: Values) -> dict[str, Values]:
        hosts = variables["ansible_play_hosts"]
        said = {host: variables["hostvars"][host].get(_PLACE) for host in hosts}
        return {host: one for host, one in said.items() if one and "requests" in one}

    def _placed(self, settings: Values, variables: Values) -> Values:
        """The settings with absolute paths; relative ones are beside the playbook."""
        beside = variables["playbook_dir"]
        named = {
            name: os.path.join(beside, settings[name]) if settings[name] else ""
            for name in ("dns_tasks", "ca_file", "account_key")
        }
        return {**settings, **named, "roots": [os.path.join(beside, path) for path in settings["roots"]]}

    def _strategy_fault(self) -> list[str]:
        strategy = str(getattr(_owner.play_of(self._task), "strategy", "linear"))
        if strategy.removeprefix("ansible.builtin.") not in _SEPARATE:
            return []
        return [f"the strategy {strategy} has each host order for itself; use the strategy linear"]

    def _vault_fault(self, settings: Values) -> list[str]:
        """A key that Ansible could not decrypt again would be lost."""
        if not settings["vault_secret"]:
            return []
        with tempfile.NamedTemporaryFile() as probe:
            probe.write(_acme_keys.encrypt(b"probe", settings["vault_secret"], settings["vault_id"]))
            probe.flush()
            try:
                self._loader.get_text_file_contents(probe.name)
            except AnsibleError:
                return [_NOT_A_SECRET]
        return []

    def _encrypt_keys(self, folder: _acme_folder.Folder, settings: Values) -> tuple[list[str], list[str]]:
        """Those that are older than the wish to have them in a vault, or were put there since."""
        if not settings["vault_secret"]:
            return [], []
        return folder.encrypt_keys(_encryption(settings), _acme_keys.is_clear, self._task.check_mode)

    def _told_encrypted(self, keys: list[str]) -> Values:
        """What is said of keys that are encrypted by this run, or would be."""
        if not keys:
            return {"changed": False, "encrypted": ""}
        subject = "1 private key" if len(keys) == 1 else f"{len(keys)} private keys"
        verb = "would be" if self._task.check_mode else "was" if len(keys) == 1 else "were"
        states = {"before": "in the clear\n", "after": "encrypted with Ansible Vault\n"}
        return {
            "changed": True,
            "encrypted": f"{subject} {verb} encrypted with Ansible Vault: {join_words(keys, most=_MOST_KEYS)}",
            "diff": [{"before_header": path, "after_header": path, **states} for path in keys],
        }

    def _called(self, arguments: Values, settings: Values, variables: Values) -> Values:
        """Have a module of community.crypto ask the CA, and let out what is needed of its answer alone.

        What a CA wrote may be of any size and depth, and acts on a terminal where Ansible shows it as a warning.
        It may take as long as it is given for each certificate, which would be hours for many.
        """
        if time.monotonic() > (arguments.get("orders") or {}).get("until", math.inf):
            return _acme_answers.NOT_ASKED
        options = {name: value for name, value in arguments["options"].items() if value not in ("", None)}
        key = settings["account_key_content"] or self._read_key(arguments["plan"]["account_key"]).decode()
        given = {"acme_directory": settings["directory"], "acme_version": 2, "account_key_content": key, **options}
        if arguments["module"] == "acme_account" and settings["eab"]:
            given["external_account_binding"] = {"alg": "HS256", **settings["eab"]}
        ask = functools.partial(self._execute_module, f"{_ASKING}.{arguments['module']}", module_args=given)
        try:
            # In the context of the task, Ansible 2.21 would take warnings out of the result by itself, and show them.
            with _bounded_memory():
                result = contextvars.Context().run(ask, task_vars=variables)
        except (MemoryError, RecursionError):
            return _acme_answers.reduced({"failed": True, "exception": "it is too large or nested too deeply"})
        except BaseException:
            # Ansible ends the task when its time is up, but not the process that waits for the CA.
            _end_own_processes()
            raise
        return _acme_answers.reduced(result)

    # Orders

    def _batch(self, arguments: Values, settings: Values, variables: Values) -> _acme_orders.Batch:
        settings = self._placed(settings, variables)
        folder = _acme_plan.folder_of(settings, variables["playbook_dir"])
        batch = _acme_orders.Batch(folder, settings, datetime.now(timezone.utc))
        return batch.load(arguments["orders"]) if arguments.get("orders") else batch

    def _due_batch(self, arguments: Values, settings: Values, variables: Values) -> _acme_orders.Batch:
        batch = self._batch(arguments, settings, variables)
        due = {one["name"]: one for one in arguments["decision"]["certificates"] if one["due"]}
        wanted = [_acme_wanted.Request.of(one) for one in arguments["plan"]["requests"]]
        batch.requests = {one.name: one for one in wanted if one.name in due}
        batch.verdicts = due
        return batch

    def _foreseen(self, arguments: Values, settings: Values, variables: Values) -> Values:
        """What would be ordered, and why all else that is due would not be."""
        batch = self._due_batch(arguments, settings, variables)
        names = batch.foresee()
        return {**_result(batch, arguments), "names": names}

    def _prepared(self, arguments: Values, settings: Values, variables: Values) -> Values:
        """Keys and requests for what is due."""
        batch = self._due_batch(arguments, settings, variables)
        encrypt = _encryption(settings)
        refused, account_key = _directory_problem(arguments.get("answer") or {}), arguments["plan"]["account_key"]
        if refused is None and not settings["account_key_content"] and not os.path.exists(account_key):
            batch.folder.write(account_key, encrypt(_acme_keys.new_key(_acme_keys.ACCOUNT_KEY_TYPE)))
        batch.prepare(refused, encrypt, self._read_kept_key)
        return _result(batch, arguments)

    def _read_key(self, path: str) -> bytes:
        return str(self._loader.get_text_file_contents(path)).encode()

    def _read_kept_key(self, path: str) -> bytes:
        """The key of one certificate: that it cannot be read, or decrypted, is to stop no other."""
        try:
            return self._read_key(path)
        except AnsibleError:
            raise _acme_answers.Refused(
                f"its private key {path} cannot be read, or not with the vault secrets of this run; correct that, or "
                "set new_key to true to have a new one"
            ) from None

    def _account(self, arguments: Values, settings: Values, variables: Values) -> Values:
        batch = self._batch(arguments, settings, variables)
        batch.take_account(arguments["results"][0])
        return _result(batch, arguments)

    def _ordered(self, arguments: Values, settings: Values, variables: Values) -> Values:
        batch = self._batch(arguments, settings, variables)
        batch.take_orders(arguments["results"])
        return _result(batch, arguments)

    def _checked(self, arguments: Values, settings: Values, variables: Values) -> Values:
        """Leave out what could not be answered, so that no CA sees it fail."""
        batch = self._batch(arguments, settings, variables)
        looks = [
            (one["item"]["name"], problem)
            for host in variables["ansible_play_hosts"]
            for one in (variables["hostvars"][host].get(_LOOKS) or {}).get("results", [])
            if one["item"]["name"] in batch.requests
            for problem in [_look_problem(one, settings["http_folder"])]
            if problem
        ]
        batch.block(looks, _failure_of(arguments.get("answer") or {}))
        return _result(batch, arguments)

    def _cleaned(self, arguments: Values, settings: Values, variables: Values) -> Values:
        """Say which DNS records are still there. It must not hide why a certificate was not obtained."""
        targets = ", ".join(one["target"] for one in arguments["results"])
        return {"warnings": [f"the DNS records {targets} could not be removed: {_failure_of(arguments['answer'])}"]}

    def _issued(self, arguments: Values, settings: Values, variables: Values) -> Values:
        """Put into use what was issued and is as it was ordered."""
        batch = self._batch(arguments, settings, variables)
        roots = _acme_plan.read_roots(batch.settings["roots"])[0]
        batch.take_certificates(arguments["results"], roots, self._read_kept_key)
        warnings = {"warnings": batch.warnings} if batch.warnings else {}
        return {**_result(batch, arguments), "changed": bool(batch.installed), **warnings}


@contextlib.contextmanager
def _bounded_memory() -> t.Iterator[None]:
    """What is started within gets so much memory beyond that of this process and no more: a CA may send any amount.

    Only where Linux says how much that is.
    """
    before = soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/statm", encoding="ascii") as file:
            most = int(file.read().split()[0]) * resource.getpagesize() + _MOST_MEMORY
        lower = min([most, *(one for one in before if one != resource.RLIM_INFINITY)])
        resource.setrlimit(resource.RLIMIT_AS, (lower, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _end_own_processes() -> None:
    """End what this task has started. Its own process leads a session, so that nothing else is in its group."""
    if os.getsid(0) != os.getpid():
        return
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(os.getpgrp(), signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)


def _encryption(settings: Values) -> _acme_orders.Encrypt:
    """What makes of a private key what is written to disk."""
    secret, vault_id = settings["vault_secret"], settings["vault_id"]
    return lambda key: _acme_keys.encrypt(key, secret, vault_id) if secret else key


def _fetched_proofs(
    requests: t.Iterable[_acme_wanted.Request], folder: _acme_folder.Folder, settings: Values
) -> dict[str, str]:
    """As hosts know of revocations, so does the controller, where it fetches for them."""
    certificates = {one.name: _acme_plan.certificate(folder, one.name) for one in requests}
    cache = os.path.expanduser(settings["controller_cache"] or _fetching.CACHE)
    return _fetching.proofs(cache, {name: content for name, content in certificates.items() if content})


def _failure_of(result: Values) -> str:
    """Why a task failed, of one with a loop why its first item did; empty without a task."""
    items = [one for one in result.get("results") or [] if one.get("failed")]
    said = " ".join(str((items or [result])[0].get("msg", "")).split())
    return said or ("the tasks failed" if result else "")


def _result(batch: _acme_orders.Batch, arguments: Values) -> Values:
    """What the next tasks need, with the certificates that there are none of yet, or none that can be deployed."""
    names = [one["name"] for one in arguments["plan"]["requests"]]
    return {**batch.result(), "missing": [name for name in names if not batch.is_fit(name)]}


def _directory_problem(answer: Values) -> _acme_answers.Refused | None:
    """Why the CA cannot be asked for anything, as the step ``asked`` found."""
    problem = answer.get("problem", answer.get("msg", "the CA was not asked for its directory"))
    return _acme_answers.Refused(str(problem), bool(answer.get("passing", True))) if problem else None


def _look_problem(look: Values, folder: str) -> str:
    """What is wrong with an answer as a host gives it, or empty. Where it redirects to, only the CA can go."""
    item = look["item"]
    status, url = look.get("status"), f"http://{item['server_name']}/{item['url_path']}"
    if look.get("unreachable"):
        return f"{item['host']} could not be reached to answer for it"
    if look.get("skipped"):
        return ""
    if status == 200 and str(look.get("content", "")).strip() == item["content"]:
        return ""
    if isinstance(status, int) and 300 <= status < 400:
        return ""
    said = (
        "gives something else than the answer"
        if status == 200
        else f"answers {status}"
        if isinstance(status, int) and status > 0
        else f"does not answer ({' '.join(str(look.get('msg', '')).split())})"
    )
    return f"{item['host']} {said} at port 80 for {url}, so that the CA was not asked; have it serve {folder} there"


def _unknown_variables(variables: Values) -> list[str]:
    """What is wrong with names of variables, of the role that deploys as well: nothing is ordered in vain."""
    names = variables.keys() - _GIVEN
    return [*_program.unknown_variables(names, _ROLE), *_program.unknown_variables(names)]


def _variable_of(place: str) -> str:
    """What the user of the role calls an argument."""
    return place.replace("settings.", _PREFIX, 1) if place.startswith("settings.") else place
