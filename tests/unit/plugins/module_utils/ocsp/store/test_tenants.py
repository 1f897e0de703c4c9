# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files in the folders of other users: none of them gets at another's file through root."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import struct
import subprocess
import sys
import tempfile
import typing as t
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError, InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import files, tenants
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT

pytestmark = AS_ROOT

TENANT, OTHER = 61234, 61235
SECRET = b"the bank's key"


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """A folder and a key of root's, beside a folder of a tenant's."""
    for name in ("private", "tenant"):
        (tmp_path / name).mkdir(mode=0o755)
    key = tmp_path / "private" / "bank.key"
    key.write_bytes(SECRET)
    key.chmod(0o400)
    os.chown(tmp_path / "tenant", TENANT, TENANT)
    return tmp_path


def read(path: Path) -> t.Optional[bytes]:
    return tenants.read_file(str(path), "private_key_path", 1000)


def link(path: Path, target: t.Union[str, Path], owner: int) -> Path:
    path.symlink_to(target)
    os.chown(path, owner, owner, follow_symlinks=False)
    return path


def write(path: Path, owner: int, content: bytes = b"own") -> Path:
    path.write_bytes(content)
    os.chown(path, owner, owner)
    return path


def test_a_link_of_a_tenant_does_not_lead_to_a_key_of_root(bank: Path) -> None:
    path = link(bank / "tenant" / "t.key", bank / "private" / "bank.key", TENANT)
    with pytest.raises(InputError, match=r"reached by a symbolic link .* belongs to a different user") as caught:
        read(path)
    assert "bank" not in caught.value.message.replace(str(path), "")


def test_a_file_cannot_be_read_without_proc(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(bank / "tenant" / "t.key", TENANT)
    assert read(path) == b"own"
    monkeypatch.setattr(tenants, "_fd_path", lambda descriptor: str(bank / "proc" / str(descriptor)))
    with pytest.raises(InputError, match=r"^private_key_path cannot be read while /proc is not mounted$"):
        read(path)


def test_a_folder_to_which_a_link_of_a_tenant_leads_is_refused(bank: Path) -> None:
    path = link(bank / "tenant" / "live", bank / "private", TENANT)
    with pytest.raises(InputError, match=r"^live .* belongs to a different user"):
        tenants.real_folder(str(path), "live")
    own = link(bank / "live", bank / "private", 0)
    assert tenants.real_folder(str(own), "live") == str(bank / "private")
    assert tenants.real_folder(str(bank / "private" / "bank.key"), "live") is None


@pytest.mark.parametrize("target", ["../private", "relative", "absolute"])
def test_nor_does_a_link_in_the_place_of_a_folder(bank: Path, target: str) -> None:
    where = {"relative": "../tenant/../private", "absolute": str(bank / "private")}.get(target, target)
    path = link(bank / "tenant" / "ssl", where, TENANT) / "bank.key"
    with pytest.raises(InputError, match="symbolic link"):
        read(path)


def test_nor_a_link_from_a_folder_of_root_that_goes_on_by_one_of_a_tenant(bank: Path) -> None:
    link(bank / "tenant" / "t.key", "../private/bank.key", TENANT)
    path = link(bank / "private" / "t.key", "../tenant/t.key", 0)
    with pytest.raises(InputError, match="symbolic link"):
        read(path)


def test_nor_a_hard_link(bank: Path) -> None:
    path = bank / "tenant" / "t.key"
    os.link(bank / "private" / "bank.key", path)
    with pytest.raises(InputError, match="has 2 hard links"):
        read(path)


def test_nor_a_link_to_the_file_of_another_tenant(bank: Path) -> None:
    (bank / "other").mkdir()
    os.chown(bank / "other", OTHER, OTHER)
    path = link(bank / "tenant" / "t.key", write(bank / "other" / "o.key", OTHER), TENANT)
    with pytest.raises(InputError, match="symbolic link"):
        read(path)


@pytest.mark.parametrize(("mode", "group"), [(0o777, 0), (0o1777, 0), (0o775, TENANT)])
def test_nor_a_link_in_a_folder_that_several_may_write_to(bank: Path, mode: int, group: int) -> None:
    shared = bank / "shared"
    shared.mkdir()
    os.chown(shared, 0, group)
    shared.chmod(mode)
    with pytest.raises(InputError, match="symbolic link"):
        read(link(shared / "t.key", bank / "private" / "bank.key", TENANT))


def test_what_belongs_to_the_tenant_or_was_put_there_by_root_is_read(bank: Path) -> None:
    """Also by links as certbot makes them."""
    own = write(bank / "tenant" / "own.key", TENANT)
    assert read(own) == b"own"
    assert read(write(bank / "tenant" / "roots.key", 0, b"root's")) == b"root's"
    assert read(link(bank / "tenant" / "live.key", "own.key", TENANT)) == b"own"
    os.link(own, bank / "tenant" / "second.key")
    assert read(bank / "tenant" / "second.key") == b"own"


def test_links_of_root_are_followed(bank: Path) -> None:
    assert read(link(bank / "private" / "live.key", "bank.key", 0)) == SECRET
    assert read(link(bank / "tenant" / "roots.key", bank / "private" / "bank.key", 0)) == SECRET
    own = write(bank / "tenant" / "own.key", TENANT)
    assert read(link(bank / "private" / "tenant.key", own, 0)) == b"own"
    (bank / "ssl").symlink_to("private")
    assert read(bank / "ssl" / "bank.key") == SECRET


def test_a_link_of_root_leads_to_files_of_others_too(bank: Path) -> None:
    other = write(bank / "private" / "other.der", OTHER)
    path = link(bank / "tenant" / "roots.der", other, 0)
    assert read(path) == b"own"
    # A second name of it may have been made by anybody.
    os.link(path, bank / "tenant" / "second.der", follow_symlinks=False)
    with pytest.raises(InputError, match="symbolic link"):
        read(bank / "tenant" / "second.der")


def test_what_the_kernel_makes_up_about_a_process_of_a_tenant_is_not_read(bank: Path) -> None:
    """Such as a list of its memory, which may take seconds to make, for each of a thousand links."""
    sleep = subprocess.Popen(["sleep", "60"], user=TENANT)
    try:
        for name in ("status", "smaps_rollup"):
            assert read(link(bank / "tenant" / f"{name}.pem", f"/proc/{sleep.pid}/{name}", TENANT)) == b""
    finally:
        sleep.kill()
        sleep.wait()


def test_what_is_not_there_is_none(bank: Path) -> None:
    assert read(bank / "tenant" / "none.key") is None
    assert read(bank / "none" / "none.key") is None
    assert read(bank / "private" / "bank.key" / "below") is None
    assert read(link(bank / "tenant" / "dangling.key", "nowhere", TENANT)) is None


def test_what_is_no_file_is_refused(bank: Path) -> None:
    loop = link(bank / "tenant" / "loop.key", "loop.key", TENANT)
    with pytest.raises(InputError, match="too many symbolic links"):
        read(loop)
    os.mkfifo(bank / "tenant" / "fifo.key")
    with pytest.raises(InputError, match="not a regular file"):
        read(bank / "tenant" / "fifo.key")
    with pytest.raises(InputError, match="is a directory"):
        read(bank / "tenant")


def acl_for(user: int) -> bytes:
    """An ACL that lets one user more write, as system.posix_acl_access has it (acl(5))."""
    nobody = 0xFFFFFFFF
    entries = [(0x01, 7, nobody), (0x02, 7, user), (0x04, 5, nobody), (0x10, 7, nobody), (0x20, 5, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def test_an_acl_lets_others_write_as_a_mode_does(bank: Path) -> None:
    folder = bank / "shared"
    folder.mkdir(mode=0o755)
    try:
        os.setxattr(folder, "system.posix_acl_access", acl_for(TENANT))
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("the file system has no ACLs")
    with pytest.raises(InputError, match="symbolic link"):
        read(link(folder / "t.key", bank / "private" / "bank.key", TENANT))


def test_what_root_s_own_group_may_write_to_is_root_s(bank: Path) -> None:
    folder = bank / "shared"
    folder.mkdir()
    folder.chmod(0o775)
    assert read(link(folder / "t.key", bank / "private" / "bank.key", 0)) == SECRET


# What is written


def replace(path: Path) -> None:
    """As a response is put in place."""
    place = files.resolve(str(path), f"path: {path}")
    files.replace_file(place, b"new", resolved=True)


@pytest.mark.parametrize("target", ["bank.key", "new.key"], ids=["file", "nothing"])
@pytest.mark.parametrize("inside", [False, True], ids=["file", "folder"])
def test_nothing_is_written_where_a_link_of_a_tenant_leads(bank: Path, target: str, inside: bool) -> None:
    if inside:
        path = link(bank / "tenant" / "ssl", bank / "private", TENANT) / target
    else:
        path = link(bank / "tenant" / "t.der", bank / "private" / target, TENANT)
    with pytest.raises(InputError, match="symbolic link"):
        replace(path)
    with pytest.raises(FileError, match=r"symbolic link .* nothing was changed"):
        files.replace_file(str(path), b"new")
    assert [one.name for one in (bank / "private").iterdir()] == ["bank.key"]
    assert (bank / "private" / "bank.key").read_bytes() == SECRET


def test_nothing_is_backed_up_or_removed_there(bank: Path) -> None:
    path = link(bank / "tenant" / "ssl", bank / "private", TENANT) / "bank.key"
    with pytest.raises(FileError, match="symbolic link"):
        files.back_up(str(path), datetime.now(timezone.utc), 3)
    with pytest.raises(FileError, match="symbolic link"):
        files.remove_file(str(path))
    assert [one.name for one in (bank / "private").iterdir()] == ["bank.key"]


def test_a_hard_link_to_a_file_of_root_is_not_written_to(bank: Path) -> None:
    path = bank / "tenant" / "t.der"
    os.link(bank / "private" / "bank.key", path)
    with pytest.raises(InputError, match="has 2 hard links"):
        replace(path)
    files.remove_file(str(path))
    assert not path.exists()


def test_a_link_that_appears_after_the_check_is_replaced_itself(bank: Path) -> None:
    path = bank / "tenant" / "t.der"
    place = files.resolve(str(path), f"path: {path}")
    link(path, bank / "private" / "bank.key", TENANT)
    files.replace_file(place, b"new", resolved=True)
    assert (bank / "private" / "bank.key").read_bytes() == SECRET
    assert not path.is_symlink()
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (0, 0o644)


def test_links_of_root_and_of_the_owner_of_the_file_are_followed_for_writing(bank: Path) -> None:
    own = write(bank / "tenant" / "own.der", TENANT)
    archived = write(bank / "private" / "archive.der", 0)
    replace(link(bank / "tenant" / "t.der", "own.der", TENANT))
    replace(link(bank / "private" / "live.der", "archive.der", 0))
    replace(link(bank / "private" / "t.der", bank / "tenant" / "new.der", 0))
    assert [own.read_bytes(), archived.read_bytes(), (bank / "tenant" / "new.der").read_bytes()] == [b"new"] * 3
    assert own.stat().st_uid == TENANT
    assert (bank / "tenant" / "t.der").is_symlink()


def test_a_link_of_a_tenant_to_nothing_leads_into_its_own_folder(bank: Path) -> None:
    replace(link(bank / "tenant" / "t.der", "new.der", TENANT))
    assert (bank / "tenant" / "new.der").read_bytes() == b"new"


def test_no_lock_is_made_where_a_tenant_leads_a_folder_while_root_waits(bank: Path) -> None:
    """The lock would be given to the owner of the folder."""
    held = os.open(bank / "tenant" / ".x.der.ocsp-lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)

    def swap(_seconds: float) -> None:
        (bank / "tenant").rename(bank / "moved")
        link(bank / "tenant", bank / "private", TENANT)
        fcntl.flock(held, fcntl.LOCK_UN)

    with files.lock(str(bank / "tenant" / "x.der"), 60, sleep=swap):
        assert sorted(os.listdir(bank / "private")) == ["bank.key"]
    assert sorted(os.listdir(bank / "private")) == ["bank.key"]
    os.close(held)


def test_a_folder_is_not_opened_by_a_link(bank: Path) -> None:
    link(bank / "tenant" / "led", bank / "private", TENANT)
    with pytest.raises(OSError, match="Not a directory"):
        tenants.open_folder(str(bank / "tenant" / "led"))
    descriptor = tenants.open_folder(str(bank / "private"))
    assert os.path.samestat(os.fstat(descriptor), (bank / "private").stat())
    os.close(descriptor)


def test_where_a_path_leads(bank: Path) -> None:
    (bank / "a").symlink_to("b")
    (bank / "b").symlink_to(bank / "private" / "missing")
    (bank / "in").symlink_to("private")
    led = {"a": "private/missing", "in/bank.key": "private/bank.key", "in": "private", "no/x": "no/x", "x": "x"}
    assert {path: os.path.relpath(tenants.where(str(bank / path)), bank) for path in led} == led
    for number in range(50):
        (bank / f"l{number}").symlink_to(f"l{number + 1}")
    assert tenants.where(str(bank / "l0")) == str(bank / "l0")
    assert tenants.where(str(bank / "l20")) == str(bank / "l50")


def test_links_to_links_without_end_are_refused(bank: Path) -> None:
    for number in range(1500):
        link(bank / "tenant" / f"{number}", f"{number + 1}", TENANT)
    with pytest.raises((InputError, FileError), match="too many symbolic links"):
        files.replace_file(files.resolve(str(bank / "tenant" / "0"), "path"), b"x", resolved=True)


def test_a_long_way_takes_few_descriptors_and_has_an_end(bank: Path) -> None:
    folder = bank / "tenant"
    folder.chmod(0o777)
    (folder / "x").mkdir()
    write(folder / "own.pem", TENANT)
    long, longest = (link(folder / f"{times}", "x/../" * times + "own.pem", TENANT) for times in (400, 600))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, hard))
    try:
        assert read(long) == b"own"
        with pytest.raises(InputError, match="the path has more than 1000 parts when links are followed"):
            read(longest)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


#: Become a user in a user namespace that has numbers for this one and for root alone, as ``PrivateUsers=yes`` does it.
SANDBOX = """
import ctypes, os, sys
user, folder, core = int(sys.argv[1]), *sys.argv[2:]
(ready, tell), (go, start) = os.pipe(), os.pipe()
child = os.fork()
if child:
    os.close(tell)
    if not os.read(ready, 1):
        sys.exit(os.waitpid(child, 0)[1] >> 8)
    for kind in ("gid", "uid"):
        with open(f"/proc/{child}/{kind}_map", "w") as handle:
            handle.write(f"0 0 1\\n{user} {user} 1\\n")
    os.write(start, b"x")
    sys.exit(os.waitpid(child, 0)[1] >> 8)
os.setgroups([])
os.setgid(user)
os.setuid(user)
libc = ctypes.CDLL(None)
libc.prctl(4, 1)
if libc.unshare(0x10000000):
    os._exit(77)
os.write(tell, b"x")
os.read(go, 1)
sys.path.insert(0, core)
from ocsp.store import files, tenants
assert tenants.read_file(folder + "/tenant/read.pem", "x", 100) == b"other's"
for name in ("there", "missing"):
    try:
        files.replace_file(f"{folder}/tenant/{name}", b"tenant's")
    except Exception as error:
        assert "whose link that is cannot be seen" in str(error), error
    else:
        os._exit(1)
files.replace_file(folder + "/tenant/plain", b"renewed")
os._exit(0)
"""


def test_a_sandbox_in_which_all_others_are_one_user_writes_through_no_link_of_theirs(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:  # that of pytest is closed to others
        folder = Path(name)
        folder.chmod(0o755)
        for owner, uid in (("tenant", TENANT), ("other", OTHER)):
            (folder / owner).mkdir()
            os.chown(folder / owner, uid, uid)
            (folder / owner).chmod(0o777)
        theirs = write(folder / "other" / "there", OTHER, b"other's")
        theirs.chmod(0o666)
        for path, target in (("there", "there"), ("missing", "missing"), ("read.pem", "there")):
            link(folder / "tenant" / path, folder / "other" / target, TENANT)
        write(folder / "tenant" / "plain", TENANT).chmod(0o666)
        core = str(Path(tenants.__file__).parents[2])
        done = subprocess.run([sys.executable, "-c", SANDBOX, "61236", name, core], check=False, timeout=60)
        if done.returncode == 77:
            pytest.skip("there are no user namespaces here")
        assert done.returncode == 0
        assert sorted(os.listdir(folder / "other")) == ["there"]
        assert theirs.read_bytes() == b"other's"
        assert (folder / "tenant" / "plain").read_bytes() == b"renewed"


def test_who_can_have_put_a_file_where_it_is(bank: Path) -> None:
    """Whoever can write into a folder above it, owns it, or made a link on the way counts."""
    tenant = bank / "tenant"
    write(tenant / "own.key", TENANT)
    write(tenant / "given.key", 0)
    write(tenant / "of_other.key", OTHER)
    write(bank / "private" / "theirs.key", TENANT)
    write(bank / "private" / "open.key", 0).chmod(0o664)
    (tenant / "deep").mkdir()
    write(tenant / "deep" / "deep.key", 0)
    link(tenant / "by_root.key", bank / "private" / "bank.key", 0)
    link(bank / "private" / "there.key", tenant / "own.key", 0)
    link(bank / "way", tenant, 0)
    shared = bank / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o1777)
    (shared / "theirs").mkdir()
    os.chown(shared / "theirs", OTHER, OTHER)
    write(shared / "theirs" / "own.key", OTHER)
    write(shared / "loose.key", OTHER)
    expected = {
        "private/bank.key": None,
        "private/theirs.key": TENANT,
        "private/open.key": -1,
        "private/there.key": TENANT,
        "tenant/own.key": TENANT,
        "tenant/given.key": TENANT,
        "tenant/of_other.key": -1,
        "tenant/deep/deep.key": TENANT,
        "tenant/by_root.key": TENANT,
        "way/own.key": TENANT,
        "shared/theirs/own.key": OTHER,
        "shared/loose.key": -1,
        "tenant/none.key": -1,
    }
    assert {path: tenants.author(str(bank / path)) for path in expected} == expected


@pytest.mark.parametrize("nameless", [True, False])
def test_nothing_that_another_puts_beside_a_file_keeps_it_from_being_written(
    nameless: bool, bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder where each may only remove files of his own."""
    monkeypatch.setattr(files, "_proc_is_there", lambda: nameless)
    shared = bank / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    path = write(shared / "own.ocsp", OTHER)
    in_the_way = Path(files.temporary_path(str(path)))
    in_the_way.mkdir()
    (in_the_way / "x").touch()
    files.replace_file(str(path), b"new")
    assert path.read_bytes() == b"new" and path.stat().st_uid == OTHER
    assert sorted(shared.iterdir()) == sorted([path, in_the_way])


_LED = """
import sys
sys.path.insert(0, sys.argv[1])
from ocsp.errors import FileError, InputError
from ocsp.store import files, reading, tenants, untrusted_file
from datetime import datetime
path, terminal = sys.argv[2:]
for step in (
    lambda: tenants.read_file(path, path, 1000),
    lambda: reading.read_file(path, path, 1000),
    lambda: untrusted_file.read(terminal, 1000),
    lambda: files.back_up(path, datetime(2026, 1, 1), 1),
    lambda: files.replace_file(path, b"x", in_place=True),
    lambda: files.lock_file(terminal, path, 0).__enter__(),
):
    try:
        step()
    except (FileError, InputError, untrusted_file.Refused):
        pass
print(open("/proc/self/stat").read().rpartition(")")[2].split()[4])
"""


def test_no_terminal_of_a_tenant_becomes_that_of_a_run(bank: Path) -> None:
    """Each unit begins a session: who has its terminal can end it for all by hanging up."""
    main, other = os.openpty()
    try:
        terminal = os.ttyname(other)
        os.chown(terminal, TENANT, TENANT)
        path = link(bank / "tenant" / "t.pem", terminal, TENANT)
        modules = Path(tenants.__file__).parents[2]
        done = subprocess.run(
            [sys.executable, "-c", _LED, str(modules), str(path), terminal],
            start_new_session=True,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr
    finally:
        os.close(main)
        os.close(other)


_WALK = """
import os, resource, sys
sys.path.insert(0, sys.argv[1])
from ocsp.errors import FileError, InputError
from ocsp.store import files, tenants
resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
began = os.times().user + os.times().system
for step in (tenants.author, tenants.where, lambda path: tenants.read_file(path, path, 10)):
    print(step(sys.argv[2]))
for step in (
    lambda path: files.resolve(path, path),
    lambda path: files.replace_file(path, b""),
    lambda path: files.lock(path, 0).__enter__(),
):
    try:
        step(sys.argv[3])
    except (FileError, InputError):
        pass
print(os.times().user + os.times().system - began < 1)
"""


def test_a_long_way_by_links_costs_no_run_its_time_or_its_descriptors(bank: Path) -> None:
    """Each link can be as long as a path, and lead to the next."""
    tenant = bank / "tenant"
    (tenant / "x").mkdir()
    write(tenant / "own.pem", TENANT)
    short, long = link(tenant / "short", "x/../" * 300 + "own.pem", TENANT), tenant / "own.pem"
    for number in range(300):
        long = link(tenant / f"{number}", "x/../" * 800 + long.name, TENANT)
    modules = Path(tenants.__file__).parents[2]
    led = subprocess.run(
        [sys.executable, "-c", _WALK, str(modules), str(short), str(long)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert led.stdout.split() == [str(TENANT), str(tenant / "own.pem"), "b'own'", "True"], (led.stdout, led.stderr)
