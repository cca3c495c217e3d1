"""
Runs a command under the restrictions of a systemd unit, as far as a process can restrict itself.

    python restricted.py UNIT command...

systemd restricts by filters of system calls; this script uses the same lists (`systemd-analyze
syscall-filter`). It covers SystemCallFilter, MemoryDenyWriteExecute, RestrictAddressFamilies and
RestrictNamespaces. The command has no capability, cannot get one, and has the unit's LimitNOFILE.
It is in its own namespaces of users and mounts, where everything except its own /tmp is read-only.
Nothing else is started, and no mount is visible outside.
"""

import ctypes
import os
import resource
import socket
import subprocess
import sys
from errno import EAFNOSUPPORT, ENOSYS, EPERM
from pathlib import Path
from typing import Final

_ALLOW: Final = 0x7FFF0000
_MASKED_EQUAL, _EQUAL = 7, 4
_WRITE, _EXEC = 2, 4
_MOST_FAMILIES: Final = 64
_IN_NAMESPACES: Final = """
mount -t tmpfs tmpfs /tmp
mount -o remount,bind,ro /
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""


class _Compare(ctypes.Structure):
    """A comparison of an argument of a system call, as libseccomp has it."""

    _fields_ = (
        *(("arg", ctypes.c_uint), ("op", ctypes.c_int)),
        *(("a", ctypes.c_uint64), ("b", ctypes.c_uint64)),
    )


class _Filter:
    """A filter of system calls; all loaded filters apply."""

    def __init__(self, otherwise: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))

    def add(self, action: int, name: str, *compares: _Compare) -> None:
        """Set *action* for a call with such arguments; an unknown name is skipped."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            every = (_Compare * len(compares))(*compares)
            code = self._library.seccomp_rule_add_array(
                self._context, ctypes.c_uint32(action), number, len(compares), every
            )
            assert code == 0, (name, code)

    def load(self) -> None:
        """Load the filter for this process and its children."""
        assert self._library.seccomp_load(self._context) == 0


def refused(number: int) -> int:
    """Return the action that makes a call fail with this error."""
    return 0x00050000 | number


def settings_of(unit: Path) -> dict[str, list[str]]:
    """Return each setting of a unit with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def calls_in(group: str) -> set[str]:
    """Return the system calls of a *group*, or the single call."""
    if not group.startswith("@"):
        return {group}
    command = ["systemd-analyze", "syscall-filter", group]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = [line.strip() for line in said.splitlines()[1:]]
    return {call for word in words if word and word[0] != "#" for call in calls_in(word)}


def allowed_by(settings: dict[str, list[str]]) -> set[str]:
    """Return the allowed system calls."""
    allowed: set[str] = set()
    for value in settings["SystemCallFilter"]:
        calls = {call for word in value.lstrip("~").split() for call in calls_in(word)}
        allowed = allowed - calls if value.startswith("~") else allowed | calls
    return allowed


def restrict(settings: dict[str, list[str]]) -> None:
    """Put the restrictions on this process."""
    # The limit of the machine may be lower.
    most = min(int(settings["LimitNOFILE"][0]), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    only = _Filter(refused(EPERM))
    for call in allowed_by(settings):
        only.add(_ALLOW, call)
    more = _Filter(_ALLOW)
    if settings["MemoryDenyWriteExecute"] == ["yes"]:
        both = _WRITE | _EXEC
        more.add(refused(EPERM), "mmap", _Compare(2, _MASKED_EQUAL, both, both))
        for name in ("mprotect", "pkey_mprotect"):
            more.add(refused(EPERM), name, _Compare(2, _MASKED_EQUAL, _EXEC, _EXEC))
    if settings["RestrictNamespaces"] == ["yes"]:
        # The flags of clone3 are in memory, which a filter cannot read: callers use clone instead.
        more.add(refused(ENOSYS), "clone3")
        more.add(refused(EPERM), "unshare")
        more.add(refused(EPERM), "setns")
    families = {
        int(getattr(socket, name)) for name in settings["RestrictAddressFamilies"][0].split()
    }
    for family in set(range(_MOST_FAMILIES)) - families:
        more.add(refused(EAFNOSUPPORT), "socket", _Compare(0, _EQUAL, family, 0))
    more.load()
    only.load()


def main(unit: str, *command: str) -> None:
    """Enter the namespaces, start again without a way back, and become the command."""
    if command[0] == "--inside":
        restrict(settings_of(Path(unit)))
        os.execvp(command[1], command[1:])
    inside = [sys.executable, __file__, unit, "--inside", *command]
    spaces = ["unshare", "--user", "--map-root-user", "--mount"]
    os.execvp(spaces[0], [*spaces, "bash", "-euc", _IN_NAMESPACES, "bash", *inside])


if __name__ == "__main__":
    main(*sys.argv[1:])
