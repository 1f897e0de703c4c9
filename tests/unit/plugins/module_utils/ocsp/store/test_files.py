# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files: whatever fails, and whenever the process is killed, there is the old file or the new one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.errors import FileError, InputError
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import files, reading
from ansible_collections.certops.ocsp.tests.unit.markers import AS_ROOT

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=timezone.utc)
OLD, NEW = b"old" * 1000, b"new" * 100000
IS_ROOT = os.geteuid() == 0

# The folder that holds ansible_collections, for the processes that the tests start.
TREE = files.__file__.split("ansible_collections", maxsplit=1)[0]
PREAMBLE = f"""\
import os, signal, sys
sys.path.insert(0, {TREE!r})
from ansible_collections.certops.ocsp.plugins.module_utils.ocsp.store import files
"""


@pytest.fixture(autouse=True)
def no_open_descriptor_is_left() -> t.Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.fixture(params=["unnamed", "named"])
def any_temporary(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both kinds of temporary files: without a name where the system can, and beside the file."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE")
    return str(request.param)


@pytest.fixture
def staple(tmp_path: Path) -> Path:
    path = tmp_path / "www.example.com.der"
    path.write_bytes(OLD)
    return path


def child(script: str, *arguments: t.Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", PREAMBLE + script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> t.List[str]:
    return sorted(os.listdir(folder))


def failing(number: int) -> t.Callable[..., t.NoReturn]:
    """A system call that fails."""

    def fail(*arguments: t.Any, **options: t.Any) -> t.NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


def failing_to_create(number: int) -> t.Callable[..., int]:
    """``os.open``, which opens what is there and creates nothing."""
    open_ = os.open

    def fail(path: t.Any, flags: int, *arguments: t.Any, **options: t.Any) -> int:
        if flags & os.O_CREAT or (hasattr(os, "O_TMPFILE") and flags & os.O_TMPFILE == os.O_TMPFILE):
            raise OSError(number, os.strerror(number))
        return open_(path, flags, *arguments, **options)

    return fail


# Reading -----------------------------------------------------------------------------------------


def test_reads_a_file(staple: Path) -> None:
    assert reading.read_file(str(staple), "path: x", len(OLD)) == OLD


def test_reads_one_octet_beyond_the_limit(staple: Path) -> None:
    """So that the caller sees that there is more."""
    assert reading.read_file(str(staple), "path: x", len(OLD) - 1) == OLD
    assert reading.read_file(str(staple), "path: x", 10) == OLD[:11]
    assert reading.read_file(str(staple), "path: x", 0) == OLD[:1]


def test_reads_through_a_symlink(staple: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(staple.name)
    assert reading.read_file(str(tmp_path / "link"), "path: x", len(OLD)) == OLD


def test_a_missing_file_is_none(tmp_path: Path, staple: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    for path in ("missing", "missing/missing", staple.name + "/below-a-file", "dangling"):
        assert reading.read_file(str(tmp_path / path), "path: x", 10) is None


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


UNREADABLE: t.Dict[str, t.Tuple[t.Callable[[Path], t.Any], str]] = {
    "directory": (Path.mkdir, "is a directory"),
    "FIFO": (os.mkfifo, "is not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    "socket": (make_socket, "cannot be read: No such device or address"),
    "loop": (lambda path: path.symlink_to(path.name), "cannot be read: Too many levels of symbolic links"),
    "read error": (lambda path: path.symlink_to("/proc/self/mem"), "cannot be read: Input/output error"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_no_readable_file_is_refused_and_does_not_hang(tmp_path: Path, kind: str) -> None:
    make, problem = UNREADABLE[kind]
    make(tmp_path / "it")
    with pytest.raises(InputError) as caught:
        reading.read_file(str(tmp_path / "it"), "issuer_path: it", 10)
    assert caught.value.message.startswith(f"issuer_path: it {problem}")


def test_a_file_that_may_not_be_read_is_refused(staple: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", failing(errno.EACCES))
    with pytest.raises(InputError, match=r"^issuer_path: it cannot be read: Permission denied$"):
        reading.read_file(str(staple), "issuer_path: it", 10)


def test_a_path_with_a_null_octet_is_refused() -> None:
    with pytest.raises(InputError, match=r"^path: it cannot be read: .*embedded null"):
        reading.read_file("/tmp/\0", "path: it", 10)


# The folder --------------------------------------------------------------------------------------


def test_the_folder_must_be_there(tmp_path: Path, staple: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dangling").symlink_to("nowhere/x")
    for path, problem in (
        ("missing/x", "which does not exist; create it first"),
        ("dangling", "which does not exist; create it first"),
        (staple.name + "/x", "which is not a folder"),
        ("new/", "ends with a slash; give the path of a file"),
    ):
        with pytest.raises(InputError) as caught:
            files.resolve(f"{tmp_path}/{path}", f"path: {path}")
        assert caught.value.message.startswith(f"path: {path} ")
        assert caught.value.message.endswith(problem)
    files.resolve(str(staple), "path: x")
    files.resolve(str(tmp_path / "new"), "path: x")
    monkeypatch.chdir(tmp_path)
    files.resolve("new", "path: x")


def test_the_folder_of_a_path_with_a_null_octet() -> None:
    with pytest.raises(InputError, match=r"^path: it is not a path: it has a null character in it$"):
        files.resolve("/tmp/\0/x", "path: it")


# Replacing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
@pytest.mark.usefixtures("any_temporary")
def test_a_new_file_is_readable_for_all_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "new"
    before = os.umask(umask)
    try:
        files.replace_file(str(path), NEW)
    finally:
        os.umask(before)
    assert path.read_bytes() == NEW
    assert mode(path) == 0o644
    assert names(tmp_path) == ["new"]


@pytest.mark.parametrize("permissions", [0o400, 0o600, 0o640, 0o644, 0o666])
@pytest.mark.usefixtures("any_temporary")
def test_the_mode_stays(staple: Path, permissions: int) -> None:
    staple.chmod(permissions)
    files.replace_file(str(staple), NEW)
    assert staple.read_bytes() == NEW
    assert mode(staple) == permissions
    assert names(staple.parent) == [staple.name]


@AS_ROOT
@pytest.mark.usefixtures("any_temporary")
def test_the_owner_stays(staple: Path) -> None:
    os.chown(staple, 12345, 54321)
    staple.chmod(0o640)
    files.replace_file(str(staple), NEW)
    assert (staple.stat().st_uid, staple.stat().st_gid, mode(staple)) == (12345, 54321, 0o640)


def test_who_may_not_give_files_away_replaces_them_all_the_same(staple: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fchown", failing(errno.EPERM))
    files.replace_file(str(staple), NEW)
    assert staple.read_bytes() == NEW


ATTRIBUTES = {
    "security.selinux": b"system_u:object_r:cert_t:s0\0",
    # Owner rw-, user 12345 r--, group r--, mask r--, others ---.
    "system.posix_acl_access": struct.pack(
        "<I" + 5 * "HHI", 2, 1, 6, 2**32 - 1, 2, 4, 12345, 4, 4, 2**32 - 1, 16, 4, 2**32 - 1, 32, 0, 2**32 - 1
    ),
}


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.usefixtures("any_temporary")
def test_the_context_and_the_access_list_stay(staple: Path, name: str) -> None:
    try:
        os.setxattr(staple, name, ATTRIBUTES[name])
    except OSError as error:
        pytest.skip(f"this file system or user cannot set {name}: {error}")
    files.replace_file(str(staple), NEW)
    assert staple.read_bytes() == NEW
    assert os.getxattr(staple, name) == ATTRIBUTES[name]


@pytest.mark.usefixtures("any_temporary")
def test_a_symlink_is_followed_and_its_target_replaced(staple: Path, tmp_path: Path) -> None:
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to(f"../{staple.name}")
    files.replace_file(str(folder / "one"), NEW)
    assert (folder / "one").is_symlink() and (folder / "two").is_symlink()
    assert staple.read_bytes() == NEW
    assert names(folder) == ["one", "two"]
    assert names(tmp_path) == ["links", staple.name]


def test_the_target_of_a_dangling_symlink_is_made(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("sub/target")
    files.replace_file(str(tmp_path / "link"), NEW)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "sub" / "target").read_bytes() == NEW


def test_a_file_that_is_hard_linked_elsewhere_is_left_alone_there(staple: Path, tmp_path: Path) -> None:
    os.link(staple, tmp_path / "other")
    files.replace_file(str(staple), NEW)
    assert (tmp_path / "other").read_bytes() == OLD


NAMES = {
    "short": "a",
    "not ASCII": "ü.der",
    "space": "with space",
    "dash": "-",
    "mask": "*.der",
    "class": "[x]",
    "long": 240 * "a",
    "long and not ASCII": 120 * "ü",
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.usefixtures("any_temporary")
def test_any_name_will_do(tmp_path: Path, kind: str) -> None:
    name = NAMES[kind]
    path = tmp_path / name
    files.replace_file(str(path), OLD)
    files.replace_file(str(path), NEW)
    assert path.read_bytes() == NEW
    assert names(tmp_path) == [name]


@pytest.mark.usefixtures("any_temporary")
def test_an_empty_file_can_be_written(staple: Path) -> None:
    files.replace_file(str(staple), b"")
    assert staple.read_bytes() == b""


@pytest.mark.usefixtures("any_temporary")
def test_the_temporary_file_is_private_until_it_is_whole(staple: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must be for nobody else while it is incomplete, and never for more than the file it replaces."""
    staple.chmod(0o640)
    write, replace, seen = os.write, os.replace, []

    def watched_write(descriptor: int, data: bytes) -> int:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return write(descriptor, data[: len(NEW) // 2 + 1])

    def watched_replace(source: str, destination: str) -> None:
        seen.append(mode(Path(source)))
        replace(source, destination)

    monkeypatch.setattr(os, "write", watched_write)
    monkeypatch.setattr(os, "replace", watched_replace)
    files.replace_file(str(staple), NEW)
    assert seen == [0o600, 0o600, 0o640]


@pytest.mark.usefixtures("any_temporary")
def test_short_writes_are_completed(staple: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    files.replace_file(str(staple), OLD + b"x")
    assert staple.read_bytes() == OLD + b"x"


@pytest.mark.usefixtures("any_temporary")
def test_the_content_is_synced_before_the_rename_and_the_folder_after_it(
    staple: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, replace, steps = os.fsync, os.replace, []

    def watched_fsync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def watched_replace(source: str, destination: str) -> None:
        steps.append("rename")
        replace(source, destination)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    files.replace_file(str(staple), NEW)
    assert steps == ["file", "rename", "folder"]
    asked: t.List[str] = []
    files.replace_file(str(staple), NEW, sync=asked.append)
    assert steps == ["file", "rename", "folder", "file", "rename"]
    assert asked == [str(staple.parent)]


# Failing to replace ------------------------------------------------------------------------------

FAULTS = {
    "no space": ("write", errno.ENOSPC),
    "quota": ("write", errno.EDQUOT),
    "disk fails at sync": ("fsync", errno.EIO),
    "mode may not be set": ("fchmod", errno.EPERM),
    "read-only folder": ("open", errno.EACCES),
    "read-only file system": ("open", errno.EROFS),
    "file mounted by itself": ("replace", errno.EBUSY),
    "sticky folder": ("replace", errno.EPERM),
    "vanished": ("replace", errno.ENOENT),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.usefixtures("any_temporary")
def test_whatever_fails_the_old_file_stays_and_nothing_else(
    staple: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, number = FAULTS[fault]
    with monkeypatch.context() as context:
        context.setattr(os, call, failing(number))
        with pytest.raises(FileError) as caught:
            files.replace_file(str(staple), NEW)
    reason = os.strerror(number)
    hint = " (it may be mounted by itself: set unsafe_writes)" if number == errno.EBUSY else ""
    assert caught.value.message == f"cannot write {staple}: {reason}{hint}; the old file was not changed"
    assert staple.read_bytes() == OLD
    assert names(staple.parent) == [staple.name]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.usefixtures("any_temporary")
def test_whatever_fails_no_new_file_appears(tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, number = FAULTS[fault]
    with monkeypatch.context() as context:
        context.setattr(os, call, failing(number))
        with pytest.raises(FileError):
            files.replace_file(str(tmp_path / "new"), NEW)
    assert names(tmp_path) == []


def test_a_name_that_cannot_be_given_leaves_nothing(staple: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(os, "link", failing(errno.EPERM))
        try:
            files.replace_file(str(staple), NEW)
        except FileError:
            assert staple.read_bytes() == OLD
        else:
            assert staple.read_bytes() == NEW
    assert names(staple.parent) == [staple.name]


def test_an_interrupt_leaves_nothing(staple: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(source: str, destination: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            files.replace_file(str(staple), NEW)
    assert staple.read_bytes() == OLD
    assert names(staple.parent) == [staple.name]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_folder_that_cannot_be_synced_is_not_reported_as_an_old_file(
    staple: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems have no fsync for folders; the new file is there then, and nobody may say otherwise."""
    fsync = os.fsync

    def fail_on_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_on_folders)
    try:
        files.replace_file(str(staple), NEW)
    except FileError as error:
        assert number == errno.EIO
        assert "cannot be synced" in error.message
    else:
        assert number == errno.EINVAL
    assert staple.read_bytes() == NEW


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"No such file or directory$"):
        files.replace_file(str(tmp_path / "missing" / "x"), NEW)
    assert names(tmp_path) == []


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "y").touch()
    with pytest.raises(FileError, match="Is a directory"):
        files.replace_file(str(tmp_path / "x"), NEW)
    assert names(tmp_path) == ["x"]


@pytest.mark.skipif(IS_ROOT, reason="root may write into any folder")
def test_a_folder_without_write_permission(staple: Path) -> None:
    staple.parent.chmod(0o500)
    try:
        with pytest.raises(FileError, match="Permission denied"):
            files.replace_file(str(staple), NEW)
    finally:
        staple.parent.chmod(0o700)
    assert staple.read_bytes() == OLD


NO_TMPFILE = [errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL]


@pytest.mark.parametrize("number", NO_TMPFILE, ids=os.strerror)
def test_file_systems_without_unnamed_files_will_do(staple: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    open_, tried = os.open, []

    def refuse_unnamed(path: str, flags: int, *mode: int, **options: t.Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            tried.append(path)
            raise OSError(number, os.strerror(number))
        return open_(path, flags, *mode, **options)

    monkeypatch.setattr(os, "open", refuse_unnamed)
    files.replace_file(str(staple), NEW)
    assert tried
    assert staple.read_bytes() == NEW
    assert names(staple.parent) == [staple.name]


# Writing in place --------------------------------------------------------------------------------

IN_PLACE = {
    "file mounted by itself": ("replace", errno.EBUSY),
    "sticky folder": ("replace", errno.EPERM),
    "another file system": ("replace", errno.EXDEV),
    "read-only folder": ("replace", errno.EACCES),
    "program at work": ("replace", errno.ETXTBSY),
    "file mounted by itself in a read-only root": ("open", errno.EROFS),
}


@pytest.mark.parametrize("fault", IN_PLACE)
@pytest.mark.parametrize("content", [NEW, b"short"], ids=["longer", "shorter"])
@pytest.mark.usefixtures("any_temporary")
def test_a_file_that_cannot_be_replaced_is_written_into_where_that_is_allowed(
    staple: Path, fault: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    inode = staple.stat().st_ino
    call, number = IN_PLACE[fault]
    with monkeypatch.context() as context:
        context.setattr(os, call, failing(number) if call != "open" else failing_to_create(number))
        files.replace_file(str(staple), content, in_place=True)
    assert staple.read_bytes() == content
    assert staple.stat().st_ino == inode
    assert names(staple.parent) == [staple.name]


def test_a_file_that_can_be_replaced_is_not_written_into(staple: Path, tmp_path: Path) -> None:
    os.link(staple, tmp_path / "other")
    files.replace_file(str(staple), NEW, in_place=True)
    assert (tmp_path / "other").read_bytes() == OLD


@pytest.mark.parametrize("fault", ["no space", "quota", "disk fails at sync"])
def test_nothing_is_written_into_a_file_for_other_reasons(
    staple: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, number = FAULTS[fault]
    monkeypatch.setattr(os, call, failing(number))
    with pytest.raises(FileError):
        files.replace_file(str(staple), NEW, in_place=True)
    assert staple.read_bytes() == OLD


def test_a_file_that_cannot_be_written_into_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "replace", failing(errno.EBUSY))
    with pytest.raises(FileError, match="No such file or directory"):
        files.replace_file(str(tmp_path / "new"), NEW, in_place=True)


# Killed runs -------------------------------------------------------------------------------------

REPLACE_AND_DIE = """
count, named, path = int(sys.argv[1]), sys.argv[2] == "named", sys.argv[3]
if named:
    del os.O_TMPFILE
def deadly(call):
    def wrapper(*arguments, **options):
        global count
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return wrapper
content = b"new" * 100000
for name in ("open", "write", "fchown", "fchmod", "fsync", "link", "replace", "close", "unlink"):
    setattr(os, name, deadly(getattr(os, name)))
files.replace_file(path, content)
os._exit(0)
"""


def test_killed_at_any_system_call_it_is_the_old_file_or_the_new_one(staple: Path, any_temporary: str) -> None:
    seen = []
    for count in range(1, 100):
        staple.write_bytes(OLD)
        with child(REPLACE_AND_DIE, count, any_temporary, staple) as process:
            status = process.wait()
        seen.append(staple.read_bytes())
        assert seen[-1] in (OLD, NEW)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        files.replace_file(str(staple), b"next")
        assert names(staple.parent) == [staple.name]
    assert OLD in seen[:-1] and NEW in seen[:-1]


REPLACE_FOR_EVER = """
if sys.argv[1] == "named":
    del os.O_TMPFILE
print("ready", flush=True)
while True:
    for content in (b"old" * 1000, b"new" * 100000):
        files.replace_file(sys.argv[2], content)
"""


def test_killed_at_any_moment_it_is_the_old_file_or_the_new_one(staple: Path, any_temporary: str) -> None:
    for _round in range(20):
        with child(REPLACE_FOR_EVER, any_temporary, staple) as process:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            time.sleep(random.uniform(0, 0.01))
            process.kill()
        assert staple.read_bytes() in (OLD, NEW)
    files.replace_file(str(staple), b"next")
    assert staple.read_bytes() == b"next"
    assert names(staple.parent) == [staple.name]


def test_only_what_a_killed_run_left_is_removed(staple: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    for count in range(1, 100):
        with child(REPLACE_AND_DIE, count, "named", staple) as process:
            assert process.wait() == -signal.SIGKILL
        if len(names(tmp_path)) > 1:
            break
    (leftover,) = set(names(tmp_path)) - {staple.name}
    assert leftover == f".{staple.name}.ocsp-new"
    # That of another file, and what others named alike.
    others = [".ftp.example.com.der.ocsp-new", f".{staple.name}", f".{staple.name}.ocsp-notes", f"{staple.name}.new"]
    for name in others:
        (tmp_path / name).touch()
    files.replace_file(str(staple), NEW)
    assert names(tmp_path) == sorted([*others, staple.name])


@pytest.mark.usefixtures("any_temporary")
def test_what_others_put_in_the_place_of_the_temporary_file_is_not_followed(staple: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(OLD)
    (tmp_path / f".{staple.name}.ocsp-new").symlink_to("victim")
    files.replace_file(str(staple), NEW)
    assert (staple.read_bytes(), (tmp_path / "victim").read_bytes()) == (NEW, OLD)
    (tmp_path / f".{staple.name}.ocsp-new").mkdir()
    files.replace_file(str(staple), OLD)
    assert staple.read_bytes() == OLD
    assert names(tmp_path) == sorted([f".{staple.name}.ocsp-new", staple.name, "victim"])


# Removing ----------------------------------------------------------------------------------------


def test_removes_a_file_and_bears_with_a_missing_one(staple: Path) -> None:
    files.remove_file(str(staple))
    files.remove_file(str(staple))
    assert names(staple.parent) == []


def test_a_file_that_cannot_be_removed_is_said(staple: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(os, "unlink", failing(errno.EROFS))
        with pytest.raises(FileError) as caught:
            files.remove_file(str(staple))
    assert caught.value.message == f"cannot remove {staple}: Read-only file system"


# Backups -----------------------------------------------------------------------------------------


def test_a_backup_is_what_the_file_was(staple: Path) -> None:
    staple.chmod(0o640)
    backup = Path(files.back_up(str(staple), NOW, 5))
    assert backup.name == "www.example.com.der.20261123T120000.000000Z~"
    assert backup.parent == staple.parent
    assert backup.read_bytes() == OLD == staple.read_bytes()
    assert mode(backup) == 0o640
    assert names(staple.parent) == [staple.name, backup.name]


@pytest.mark.parametrize("kind", ["fifo", "folder", "large"])
def test_no_backup_is_made_of_what_is_no_response(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write to the folder put it there: it neither hangs the run nor fills the memory."""
    monkeypatch.setattr(files, "_LARGEST_BACKUP", 1000)
    place = tmp_path / "x.der"
    {"fifo": os.mkfifo, "folder": os.mkdir, "large": lambda path: Path(path).write_bytes(bytes(1001))}[kind](place)
    with pytest.raises(FileError, match=r"^cannot back up .*; nothing was replaced$"):
        files.back_up(str(place), NOW, 5)
    assert names(tmp_path) == ["x.der"]


@pytest.mark.parametrize("bits", [0o4755, 0o2755, 0o1777, 0o6777])
def test_no_content_of_ours_runs_as_another(staple: Path, bits: int) -> None:
    staple.chmod(bits)
    files.replace_file(str(staple), NEW)
    assert stat.S_IMODE(staple.stat().st_mode) == bits & 0o777


def test_the_name_of_a_backup_is_in_utc(staple: Path) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=14)))
    assert files.back_up(str(staple), elsewhere, 5).endswith(".20261123T120000.000000Z~")


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_exactly_so_many_backups_stay_and_they_are_the_newest(staple: Path, keep: int) -> None:
    made = []
    for number in range(7):
        staple.write_bytes(b"%d" % number)
        made.append(files.back_up(str(staple), NOW + timedelta(microseconds=number), keep))
        assert names(staple.parent)[1:] == [os.path.basename(name) for name in made[-keep:]]
    assert [Path(name).read_bytes() for name in made[-keep:]] == [b"%d" % number for number in range(7)][-keep:]


def test_fewer_backups_than_before_may_stay(staple: Path) -> None:
    made = [files.back_up(str(staple), NOW + timedelta(seconds=number), 5) for number in range(5)]
    made.append(files.back_up(str(staple), NOW + timedelta(seconds=9), 2))
    assert names(staple.parent)[1:] == [os.path.basename(name) for name in made[-2:]]


def test_backups_without_end_are_removed_in_parts(staple: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who can write to the folder can put any number there, of which no run reads the names of all."""
    monkeypatch.setattr(files, "_MOST_BACKUPS", 10)
    for number in range(1, 26):
        (staple.parent / f"{staple.name}.2026{number:04d}T120000.000000Z~").touch()
    left = []
    for number in range(4):
        made = files.back_up(str(staple), NOW + timedelta(days=365 + number), 3)
        left.append(len(names(staple.parent)) - 1)
        assert os.path.exists(made)
    assert left[0] > left[1] > left[2] and left[-1] <= 4, left


def test_what_looks_like_a_backup_is_left_alone(tmp_path: Path) -> None:
    staple = tmp_path / "a+b.der"
    staple.write_bytes(OLD)
    foreign = [
        "a+b.der.20261123T120000Z~",
        "a+b.der.20261123T120000.000000Z~~",
        "a+b.der.20261123T120000.000000Z~.old",
        "a+b.der.1234.2026-11-23@12:00:00~",
        "a+b.der~",
        "aab.der.20261123T120000.000000Z~",
        "a+bxder.20261123T120000.000000Z~",
        "x.a+b.der.20261123T120000.000000Z~",
        "www.a+b.der",
    ]
    for name in foreign:
        (tmp_path / name).touch()
    files.back_up(str(staple), NOW, 1)
    backup = files.back_up(str(staple), NOW + timedelta(seconds=1), 1)
    assert names(tmp_path) == sorted([*foreign, "a+b.der", os.path.basename(backup)])


def test_the_backup_of_a_symlink_is_one_of_its_target_beside_it(staple: Path, tmp_path: Path) -> None:
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "link").symlink_to(staple)
    backup = Path(files.back_up(str(folder / "link"), NOW, 5))
    assert backup.parent == tmp_path and not backup.is_symlink()
    assert names(folder) == ["link"]


def test_a_backup_made_after_the_clock_was_set_back_stays(staple: Path) -> None:
    """What is returned must be there, although those of the wrong time seem to be newer."""
    for number in range(3):
        files.back_up(str(staple), NOW + timedelta(days=365, seconds=number), 3)
    staple.write_bytes(NEW)
    backup = files.back_up(str(staple), NOW, 3)
    assert Path(backup).read_bytes() == NEW
    assert len(names(staple.parent)) == 1 + 3


@pytest.mark.parametrize("fault", ["no space", "disk fails at sync", "read-only folder", "sticky folder"])
@pytest.mark.usefixtures("any_temporary")
def test_a_backup_that_fails_leaves_nothing(staple: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, number = FAULTS[fault]
    with monkeypatch.context() as context:
        context.setattr(os, call, failing(number))
        with pytest.raises(FileError) as caught:
            files.back_up(str(staple), NOW, 5)
    assert caught.value.message == f"cannot back up {staple}: {os.strerror(number)}; nothing was replaced"
    assert staple.read_bytes() == OLD
    assert names(staple.parent) == [staple.name]


# Locks -------------------------------------------------------------------------------------------

HOLD = """
files._LOCK_FOLDERS, files._ROOTS_LOCK_FOLDER = (sys.argv[1],), sys.argv[1] + "/root"
if sys.argv[4:]:
    os.setuid(int(sys.argv[4]))
with files.lock(sys.argv[2], float(sys.argv[3])):
    print("held", flush=True)
    sys.stdin.readline()
print("left", flush=True)
"""


@pytest.fixture
def system_locks(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's lock folder, with root's in it."""
    folder = tmp_path_factory.mktemp("lock")
    monkeypatch.setattr(files, "_LOCK_FOLDERS", (str(folder),))
    monkeypatch.setattr(files, "_ROOTS_LOCK_FOLDER", str(folder / "root"))
    return folder


@pytest.fixture
def locks(system_locks: Path, tmp_path: Path) -> Path:
    """Where the lock of a file lies whose folder is open to all."""
    tmp_path.chmod(0o777)
    return system_locks


@pytest.fixture(params=["shared", "root's", "owner's", "group's"])
def lock_place(request: pytest.FixtureRequest, system_locks: Path, tmp_path: Path) -> Path:
    """Where the lock lies, for folders of each kind."""
    if request.param == "shared":
        tmp_path.chmod(0o777)
        return system_locks
    if request.param == "group's":
        tmp_path.chmod(0o770)
        return tmp_path
    if request.param == "root's":
        if not IS_ROOT:
            pytest.skip("only root has root's locks")
        (system_locks / "root").mkdir(0o700)
        return system_locks / "root"
    if IS_ROOT:
        os.chown(tmp_path, 12345, -1)
    return tmp_path


def say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go on\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def lock_names(folder: Path) -> t.List[str]:
    return [name for name in names(folder) if name.endswith("lock")]


def test_the_lock_lies_in_its_place_and_goes_with_the_run(staple: Path, lock_place: Path) -> None:
    before = names(staple.parent)
    with files.lock(str(staple), 0):
        assert len(lock_names(lock_place)) == 1
        if lock_place != staple.parent:
            assert names(staple.parent) == before
    assert lock_names(lock_place) == []
    assert names(staple.parent) == before


@pytest.mark.skipif(not IS_ROOT, reason="only root can act as others")
def test_nobody_else_can_open_the_lock_of_a_private_folder(staple: Path, system_locks: Path) -> None:
    staple.parent.chmod(0o755)
    with files.lock(str(staple), 0):
        assert mode(system_locks / "root") == 0o700
        (name,) = names(system_locks / "root")
        assert mode(system_locks / "root" / name) == 0o600
    os.chown(staple.parent, 12345, -1)
    with files.lock(str(staple), 0):
        lock = staple.parent / f".{staple.name}.ocsp-lock"
        assert (mode(lock), lock.stat().st_uid) == (0o600, 12345)
    assert names(system_locks) == ["root"]


@pytest.mark.skipif(not IS_ROOT, reason="only root can act as others")
@pytest.mark.parametrize("umask", [0o002, 0o077])
def test_who_is_not_in_the_group_of_a_folder_cannot_open_its_lock(staple: Path, system_locks: Path, umask: int) -> None:
    os.chown(staple.parent, 12345, 54321)
    staple.parent.chmod(0o775)
    before = os.umask(umask)
    try:
        with files.lock(str(staple), 0):
            lock = staple.parent / f".{staple.name}.ocsp-lock"
            assert (mode(lock), lock.stat().st_gid) == (0o660, 54321)
    finally:
        os.umask(before)
    assert names(system_locks) == []


def test_the_lock_of_a_folder_with_an_access_control_list_is_for_all(
    staple: Path, system_locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staple.parent.chmod(0o770)
    monkeypatch.setattr(os, "getxattr", lambda folder, name: {"system.posix_acl_access": b"an ACL"}[name])
    with files.lock(str(staple), 0):
        assert len(lock_names(system_locks)) == 1


@pytest.mark.skipif(not IS_ROOT, reason="only root can act as others")
def test_root_and_the_owner_of_a_folder_exclude_each_other(system_locks: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # that of pytest is closed to others
        staple = Path(folder, "x.der")
        os.chown(folder, 12345, -1)
        with child(HOLD, system_locks, staple, 60, 12345) as owner:
            assert hear(owner) == "held"
            with pytest.raises(FileError, match="another process has held the lock"), files.lock(str(staple), 0):
                pass
            say(owner)
            assert hear(owner) == "left"
        with files.lock(str(staple), 0), child(HOLD, system_locks, staple, 0, 12345) as owner:
            assert hear(owner) == ""
            assert owner.wait() == 1


@pytest.mark.skipif(not IS_ROOT, reason="only root can act as others")
def test_who_may_read_a_folder_does_not_choose_its_lock(staple: Path, system_locks: Path) -> None:
    """Anybody can hold a lock of the folder itself; that in the system's lock folder anybody could hold."""
    os.chown(staple.parent, 12345, -1)
    staple.parent.chmod(0o755)
    folder = os.open(staple.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with files.lock(str(staple), 0):
            assert names(system_locks) == []
            assert (staple.parent / f".{staple.name}.ocsp-lock").exists()
    finally:
        os.close(folder)


@pytest.mark.skipif(not IS_ROOT, reason="only root has root's locks")
@pytest.mark.parametrize("kind", ["open to all", "of another user", "no folder", "read-only"])
def test_a_lock_folder_that_is_not_roots_alone_is_not_used(
    staple: Path, system_locks: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = system_locks / "root"
    if kind == "no folder":
        place.touch(0o600)
    else:
        place.mkdir(0o755 if kind == "open to all" else 0o700)
        os.chown(place, 12345 if kind == "of another user" else 0, -1)
    if kind == "read-only":
        monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(place))
    with files.lock(str(staple), 0):
        assert len(lock_names(system_locks)) == 1


def test_a_file_system_without_locks_leaves_the_lock_folder(
    staple: Path, locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staple.parent.chmod(0o700)
    if IS_ROOT:
        os.chown(staple.parent, 12345, -1)
    flock = fcntl.flock

    def refuse(descriptor: int, operation: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(staple.parent)):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", refuse)
    with files.lock(str(staple), 0):
        assert len(lock_names(locks)) == 1


def test_many_threads_of_one_process_exclude_each_other(
    staple: Path, lock_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most, ready = 0, 0, threading.Barrier(8)

    def work() -> None:
        nonlocal inside, most
        ready.wait()
        for _round in range(20):
            with files.lock(str(staple), 60):
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    monkeypatch.setattr(files, "_LOCK_POLL", 0.001)
    with contextlib.ExitStack() as stack:
        threads = [threading.Thread(target=work) for _number in range(8)]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
    assert most == 1
    assert lock_names(lock_place) == []


def test_the_lock_goes_when_the_run_fails(staple: Path, locks: Path) -> None:
    with pytest.raises(KeyError), files.lock(str(staple), 0):
        raise KeyError
    assert names(locks) == []
    with files.lock(str(staple), 0):
        pass


def test_another_user_can_wait_for_the_lock_whatever_the_umask(staple: Path, locks: Path) -> None:
    before = os.umask(0o077)
    try:
        with files.lock(str(staple), 0):
            assert mode(locks / names(locks)[0]) == 0o644
    finally:
        os.umask(before)


def test_two_processes_exclude_each_other(staple: Path, lock_place: Path, system_locks: Path) -> None:
    with child(HOLD, system_locks, staple, 0) as holder:
        assert hear(holder) == "held"
        with pytest.raises(FileError) as caught, files.lock(str(staple), 0):
            pass
        (name,) = lock_names(lock_place)
        assert caught.value.message == (
            f"another process has held the lock {lock_place / name} for 0 seconds, so {staple} was not changed"
        )
        say(holder)
        assert hear(holder) == "left"
    with files.lock(str(staple), 0):
        pass
    assert lock_names(lock_place) == []


def test_one_that_waits_gets_the_lock_although_its_file_was_removed(staple: Path, locks: Path) -> None:
    with files.lock(str(staple), 0):
        waiting = child(HOLD, locks, staple, 60)
        # It waits as soon as it has opened the lock file.
        target = os.path.realpath(locks / names(locks)[0])
        while target not in opened(waiting.pid):
            assert waiting.poll() is None
            time.sleep(0.005)
    with waiting:
        assert hear(waiting) == "held"
        with pytest.raises(FileError), files.lock(str(staple), 0):
            pass
        say(waiting)
        assert hear(waiting) == "left"
    assert names(locks) == []


def opened(pid: int) -> t.List[str]:
    found = []
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
        except FileNotFoundError:
            continue
    return found


COUNT = """
files._LOCK_FOLDERS, files._ROOTS_LOCK_FOLDER = (sys.argv[1],), sys.argv[1] + "/root"
files._LOCK_POLL = 0.001
for _round in range(40):
    with files.lock(sys.argv[2], 60):
        with open(sys.argv[2]) as handle:
            number = int(handle.read())
        with open(sys.argv[2], "w") as handle:
            handle.write(str(number + 1))
"""


def test_no_two_of_many_hold_the_lock_at_once(tmp_path: Path, lock_place: Path, system_locks: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [child(COUNT, system_locks, counter) for _number in range(4)]
    for process in processes:
        with process:
            assert process.wait() == 0
    assert counter.read_text() == "160"
    assert lock_names(lock_place) == []


def test_the_lock_of_a_killed_process_does_not_block(staple: Path, lock_place: Path, system_locks: Path) -> None:
    with child(HOLD, system_locks, staple, 0) as holder:
        assert hear(holder) == "held"
        holder.kill()
        holder.wait()
    assert len(lock_names(lock_place)) == 1
    with files.lock(str(staple), 0):
        pass
    assert lock_names(lock_place) == []


def test_the_names_of_one_file_share_a_lock(staple: Path, locks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (staple.parent / "link").symlink_to(staple.name)
    monkeypatch.chdir(staple.parent)
    with files.lock(str(staple), 0):
        for name in ("link", staple.name, f"./{staple.name}", str(staple.parent / "link")):
            with pytest.raises(FileError), files.lock(name, 0):
                pass


def test_different_files_have_different_locks(staple: Path, locks: Path) -> None:
    with files.lock(str(staple), 0), files.lock(str(staple) + ".ecdsa", 0):
        assert len(names(locks)) == 2


def test_where_no_lock_folder_is_the_temporary_folder_will_do(
    staple: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(files, "_LOCK_FOLDERS", (str(tmp_path / "missing"),))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with files.lock(str(staple), 0):
        assert len(names(tmp_path / "tmp")) == 1


@pytest.mark.usefixtures("locks")
def test_where_there_is_a_lock_folder_no_temporary_folder_is_needed(
    staple: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", failing(errno.ENOENT))
    with files.lock(str(staple), 0):
        pass


def test_without_any_folder_for_the_lock_that_is_said(
    staple: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setattr(files, "_LOCK_FOLDERS", (str(tmp_path / "missing"),))
    monkeypatch.setattr(tempfile, "gettempdir", failing(errno.ENOENT))
    with pytest.raises(FileError, match=f"^cannot lock {staple}"), files.lock(str(staple), 0):
        pass


LOCK_FAULTS = {"folder": ("open", errno.EACCES), "full": ("open", errno.ENOSPC)}


@pytest.mark.parametrize("fault", LOCK_FAULTS)
@pytest.mark.usefixtures("locks")
def test_a_lock_that_cannot_be_made_is_said(staple: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, number = LOCK_FAULTS[fault]
    monkeypatch.setattr(os, call, failing(number))
    with (
        pytest.raises(FileError, match=f"^cannot lock {staple} with .*: {os.strerror(number)}$"),
        files.lock(str(staple), 0),
    ):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP], ids=os.strerror)
@pytest.mark.usefixtures("locks")
def test_a_file_system_without_locks_is_said(staple: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(number))
    with pytest.raises(FileError, match=f"^cannot lock {staple} with .*"), files.lock(str(staple), 0):
        pass


def plant(staple: Path, locks: Path, make: t.Callable[[Path], t.Any]) -> None:
    """Put something in the place of the lock file, as anybody may who knows its name."""
    with files.lock(str(staple), 0):
        (name,) = names(locks)
    make(locks / name)


def test_a_symlink_in_the_place_of_the_lock_is_not_followed(staple: Path, locks: Path) -> None:
    plant(staple, locks, lambda path: path.symlink_to(staple))
    said = r"^cannot lock .*; it is not a regular file, so remove it$"
    with pytest.raises(FileError, match=said), files.lock(str(staple), 0):
        pass
    assert staple.read_bytes() == OLD


def test_a_fifo_in_the_place_of_the_lock_does_not_hang(staple: Path, locks: Path) -> None:
    plant(staple, locks, os.mkfifo)
    with child(HOLD, locks, staple, 0) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=5)
        hangs = process.poll() is None
        process.kill()
    assert not hangs
