# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""All certificates of a play as ``certificate_renewal_info`` is asked about them, and all faults of the variables."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import typing as t

from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import OcspError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import certificate as x509
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.pki import path as paths
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.urls import check_url
from ansible_collections.certops.ocsp.plugins.plugin_utils import _acme_folder
from ansible_collections.certops.ocsp.plugins.plugin_utils._acme_wanted import Request

Values = t.Mapping[str, t.Any]

#: The collection that talks to the CA, and the first version that has all that is used.
REQUIRED = ("community.crypto", (3, 0, 0))
_PREFIX = "acme_certificates_"


def missing_collection() -> str:
    """What is said where the collection that talks to the CA is not installed, or is too old; else empty."""
    name, minimum = REQUIRED
    wanted = (
        f"the role acme_certificates needs the collection {name} >= {'.'.join(map(str, minimum))} on the controller"
    )
    advice = (
        f"install it by 'ansible-galaxy collection install {name}' or 'pip install ansible'; all else in "
        "certops.ocsp works without it"
    )
    try:
        spec = importlib.util.find_spec(f"ansible_collections.{name}")
    except ImportError:
        spec = None
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        return f"{wanted}, which has none; {advice}"
    version = _version(places[0])
    numbers = tuple(int(part) for part in version.partition("-")[0].split(".") if part.isdigit())
    return f"{wanted}, which has {version}; {advice}" if version and numbers < minimum else ""


def _version(place: str) -> str:
    """The version of an installed collection; empty where that is not known, as in a checkout."""
    try:
        with open(os.path.join(place, "MANIFEST.json"), encoding="utf-8") as file:
            return str(json.load(file)["collection_info"]["version"])
    except (OSError, ValueError, LookupError):
        return ""


def folder_of(settings: Values, playbook_dir: str) -> _acme_folder.Folder:
    """The folder of the role; a relative path is one beside the playbook."""
    return _acme_folder.Folder(os.path.abspath(os.path.join(playbook_dir, settings["folder"])), settings["directory"])


def questions(
    requests: t.Iterable[Request], folder: _acme_folder.Folder, settings: Values, proofs: Values
) -> list[dict[str, t.Any]]:
    """The certificates as ``certificate_renewal_info`` takes them. ``proofs`` are OCSP responses by name."""
    return [_question(one, folder, one.name in settings["force"], proofs.get(one.name, [])) for one in requests]


def _question(one: Request, folder: _acme_folder.Folder, forced: bool, proofs: t.Sequence[str]) -> dict[str, t.Any]:
    state, interrupted = _known(folder, one.name)
    return {
        "name": one.name,
        "path": folder.certificate(one.name),
        "private_key_path": folder.flat(one.name, "key.pem"),
        "names": list(one.names),
        "key_type": one.key_type,
        "must_staple": one.must_staple,
        "obtained_directory": state.get("directory", ""),
        "profile": one.profile,
        "interrupted": interrupted,
        "force": forced,
        **({"obtained_profile": state["profile"]} if "profile" in state else {}),
        "responses": list(proofs),
    }


def _known(folder: _acme_folder.Folder, name: str) -> tuple[Values, bool]:
    """What is known of a certificate, and whether an order for it was begun; nothing where that cannot be read."""
    with contextlib.suppress(OSError):
        return folder.state(name), bool(folder.order(name).get("uri")) and not folder.is_done(name)
    return {}, False


def warnings(requests: t.Iterable[Request], folder: _acme_folder.Folder) -> list[str]:
    """What is known of certificates and cannot be read: they are not renewed until that is corrected."""
    said = {one.name: folder.unreadable(one.name) for one in requests}
    return [f"{name} cannot be renewed: {problem}" for name, problem in said.items() if problem]


def faults(
    settings: Values, requests: t.Sequence[Request], folder: _acme_folder.Folder, inventory: t.Container[str]
) -> list[str]:
    """All that is wrong with the variables, as far as it is not about one host alone."""
    found = [f"{_PREFIX}{fault}" for fault in _simple_faults(settings)]
    dns = [one.name for one in requests if one.challenge == "dns-01"]
    if dns and not settings["dns_tasks"]:
        found.append(f"{_PREFIX}dns_tasks must name a file of tasks that set DNS records, for {', '.join(dns[:3])}")
    elif dns and not os.path.isfile(settings["dns_tasks"]):
        found.append(f"{_PREFIX}dns_tasks: there is no file {settings['dns_tasks']}")
    unknown = [host for host in settings["http_hosts"] if host not in inventory]
    if unknown:
        found.append(f"{_PREFIX}http_hosts: the inventory has no {' and no '.join(unknown)}")
    wanted = {one.name for one in requests}
    for name in settings["force"]:
        if name not in wanted:
            found.append(f"{_PREFIX}force: {name} is not obtained by this role in this play")
    if requests and not settings["terms_agreed"] and not folder.account_uri():
        found.append(
            f"{_PREFIX}terms_agreed must be true to open an account with {settings['directory']}; read its terms first"
        )
    found += [fault for one in requests if one.must_staple for fault in _staple_fault(one, folder)]
    _roots, problem = read_roots(settings["roots"])
    return [*found, *([f"{_PREFIX}roots: {problem}"] if problem else []), *_account_faults(settings, folder)]


def certificate(folder: _acme_folder.Folder, name: str) -> bytes | None:
    """The certificate in use, or None where none can be read: why, the decision about it tells."""
    with contextlib.suppress(OSError):
        return _acme_folder.read(folder.certificate(name))
    return None


def _staple_fault(request: Request, folder: _acme_folder.Folder) -> t.Iterator[str]:
    """A CA without OCSP would issue what can never be used; the certificate in use tells which CA is one."""
    data = None if request.responder else certificate(folder, request.name)
    if data is None or _known(folder, request.name)[0].get("directory") != folder.directory:
        return
    try:
        if not x509.find_leaf(x509.load_certificates(data, request.name), request.name).responder_urls:
            yield f"{request.name}: it cannot demand stapling (acme: must_staple), as its CA has no OCSP responder"
    except OcspError:
        return


def _simple_faults(settings: Values) -> t.Iterator[str]:
    try:
        check_url(settings["directory"])
    except OcspError as error:
        yield f"directory: {error.message}"
    if not 0 < settings["renew_at"] < 1:
        yield f"renew_at must be more than 0 and less than 1, and is {settings['renew_at']}"
    if settings["eab"] and not {"kid", "key"} <= settings["eab"].keys():
        yield "eab must have kid and key"
    if settings["remote_source"]:
        yield "folder is on the controller, and ocsp_stapling_remote_source must be false"
    if settings["ca_file"] and not os.path.isfile(settings["ca_file"]):
        yield f"ca_file: there is no file {settings['ca_file']}"
    if not settings["http_folder"].startswith("/"):
        yield f"http_folder must be an absolute path, and is {settings['http_folder']}"


def _account_faults(settings: Values, folder: _acme_folder.Folder) -> list[str]:
    """An account whose key is lost is not silently exchanged for another one."""
    uri, key = folder.account_uri(), settings["account_key"] or folder.account_key
    if not uri or settings["account_key_content"] or os.path.exists(key):
        return []
    return [
        f"the key {key} of the account {uri} is missing: restore it, or remove {folder.account_note} to open a new one"
    ]


def read_roots(files: t.Iterable[str]) -> tuple[list[paths.Given], str]:
    """The certificates of PEM files, and why they cannot be read, if so."""
    found = []
    for file in files:
        try:
            with open(file, "rb") as handle:
                found += [paths.Given(one, file) for one in x509.load_certificates(handle.read(), file)]
        except OcspError as error:
            return [], error.message
        except OSError as error:
            return [], f"{file} cannot be read: {error.strerror}"
    return found, ""
