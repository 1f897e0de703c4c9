# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode announces what happens, and that happens once, whatever somebody changed by hand before."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.tests.unit.plugins.modules import test_certificate_set_owners as owners
from ansible_collections.certops.ocsp.tests.unit.plugins.modules.test_certificate_set import entry, leaf, staple
from ansible_collections.certops.ocsp.tests.unit.plugins.modules.test_certificate_set_owners import SERVICE, Host
from ansible_collections.certops.ocsp.tests.unit.run_module import Result

host = owners.host

NAMES = (owners.A, owners.B, owners.C, owners.D)
OTHER_SERVICE = "edge"
SERVICES: t.Sequence[t.List[str]] = ([SERVICE], [OTHER_SERVICE], [SERVICE, OTHER_SERVICE], ["nginx"], [])
COMPARED = ("changed", "failed", "reload", "dropped", "given_up", "removed", "remaining", "diff")
#: How many stories are tried, of so many chapters each; $CERTOPS_STORIES may ask for more.
STORIES, CHAPTERS = int(os.environ.get("CERTOPS_STORIES", "4")), 10


class Story:
    """What two owners ask for on one host, and what somebody changes there by hand."""

    def __init__(self, on: Host, seed: int) -> None:
        self.on = on
        self.choose = random.Random(seed)
        on.settings[OTHER_SERVICE] = on.settings[SERVICE]
        self.wanted: t.Dict[str, t.Dict[str, t.Any]] = {"api": {}, "web": {}}
        self.told: t.List[str] = []

    def edit(self, owner: str) -> None:
        """Add, renew or take away a certificate; what both owners have is the same."""
        name = self.choose.choice(NAMES)
        if self.choose.random() < 0.3:
            self.wanted[owner].pop(name, None)
        else:
            one = leaf(name, self.choose.choice(["", "renewed"]), urls=False)
            given = {"response_content": staple(one)} if self.choose.random() < 0.4 else {}
            certificate = entry(one, name, services=self.choose.choice(SERVICES), **given)
            for wanted in self.wanted.values():
                if wanted is self.wanted[owner] or name in wanted:
                    wanted[name] = certificate
        self.told.append(f"{owner} has {[(name, one['services']) for name, one in self.wanted[owner].items()]}")

    def drift(self) -> None:
        """Change something in the folders of the collection by hand."""
        path = self.choose.choice(sorted(self.on.home.rglob("*")) or [self.on.home / "etc"])
        act = self.choose.choice([self._close, self._remove, self._overwrite, self._move])
        self.told.append(f"{act.__name__} {path.relative_to(self.on.home)}")
        with contextlib.suppress(OSError):
            act(path)

    def _close(self, path: Path) -> None:
        if not path.is_symlink():
            path.chmod(self.choose.choice([0o600, 0o644, 0o666, 0o700, 0o777]))

    def _remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def _overwrite(self, path: Path) -> None:
        path.write_bytes(self.choose.choice([b"", b"mine\n", b"{}", b"\xff\xfe"]))

    def _move(self, path: Path) -> None:
        path.rename(f"{path}.moved")

    def run(self, owner: str, state: str, check: bool = False) -> Result:
        if state == "absent":
            return self.on.run("absent", part={"owner": owner}, check=check)
        certificates = list(self.wanted[owner].values())
        done = self.on.run(part={"owner": owner}, certificates=certificates, check=check)
        if check or done["failed"] or not (done["dropped"] or done["given_up"]):
            return done
        # What the role has done at the end of the play, and check mode tells of at once.
        end = self.on.run("pruned", pruned={owner: [""]})
        diff, told = [*done["diff"], *end.get("diff", ())], {*done["reload"], *end["reload"]}
        assert end["removed"] == done["dropped"]
        return {**done, "diff": diff, "reload": sorted(told)}


def facts(home: Path) -> t.Dict[str, t.Any]:
    """All that is there, with owners and modes."""
    found = {}
    for path in home.rglob("*"):
        about = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path)] = (about.st_mode, about.st_uid, about.st_gid, content)
    return found


def compared(result: Result) -> t.Dict[str, t.Any]:
    values = {key: result.get(key) for key in COMPARED}
    return {**values, "diff": sorted(values["diff"] or [], key=json.dumps)}


@pytest.mark.parametrize("seed", range(STORIES))
def test_what_is_announced_happens_once(host: Host, seed: int) -> None:
    story = Story(host, seed)
    for _chapter in range(CHAPTERS):
        owner, state = story.choose.choice(sorted(story.wanted)), story.choose.choice(["present"] * 7 + ["absent"])
        if state == "absent":
            story.wanted[owner] = {}
        elif story.choose.random() < 0.7:
            story.edit(owner)
        if story.choose.random() < 0.5:
            story.drift()
        story.told.append(f"{owner}: {state}")
        before = facts(host.home)
        foreseen = story.run(owner, state, check=True)
        assert facts(host.home) == before, story.told
        done = story.run(owner, state)
        assert compared(done) == compared(foreseen), (story.told, foreseen["msg"], done["msg"])
        if done["failed"]:
            # What was damaged is named; whoever has read that removes it.
            shutil.rmtree(host.home / "etc", ignore_errors=True)
            shutil.rmtree(host.home / "var", ignore_errors=True)
            continue
        again = story.run(owner, state)
        assert not again["changed"] and not again["failed"], (story.told, done["msg"], again["msg"])
