# SPDX-License-Identifier: MPL-2.0
"""Boots systemd in a container, for lab.py, and stays until it is powered off.

Run by root in a mount namespace of its own, so whatever is mounted here goes with this process. The
container's root is empty but for this machine's /usr: what is written goes to memory. Under /usr and
/etc, `layers` lie over it: folders that something was installed into. The argument is JSON:

    name     that of the host
    layers   folders
    options  more options of systemd-nspawn

cgroup v2 is mounted afresh, whatever the machine has at /sys/fs/cgroup, and the container gets a group
of its own in it.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import uuid

SPACE = pathlib.Path("/run/lab")
ROOT = SPACE / "root"
CGROUPS = pathlib.Path("/sys/fs/cgroup")

# Of this machine's /etc: what programs under /usr are lost without.
COPIED = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "pam.d", "postgresql-common",
          "ssl")

# Debian makes this user, and these directories, when PostgreSQL is installed.
FILES = {
    "etc/sysusers.d/lab.conf": """\
g ssl-cert -
u postgres - "PostgreSQL" /var/lib/postgresql /bin/bash
m postgres ssl-cert
""",
    "etc/tmpfiles.d/lab.conf": """\
d /etc/postgresql 0755 postgres postgres
d /run/postgresql 2775 postgres postgres
d /var/lib/postgresql 0755 postgres postgres
d /var/log/postgresql 1775 root postgres
""",
    "etc/nsswitch.conf": "passwd: files systemd\ngroup: files systemd\nhosts: files\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
}


def mount(kind, where, options="", source="lab"):
    where.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", kind, *(["-o", options] if options else []), source, where],
                   check=True)


def copy(source, target):
    """Of a file or a folder; a link stays one."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    elif source.exists():
        shutil.copy2(source, target)


def make_root(name, layers):
    mount("tmpfs", pathlib.Path("/run"), "mode=755")
    mount("tmpfs", SPACE, "mode=755")
    for folder in ("upper", "work"):
        (SPACE / folder).mkdir()
    lower = ":".join([*(f"{layer}/usr" for layer in layers), "/usr"])
    mount("overlay", ROOT / "usr", f"lowerdir={lower},upperdir={SPACE}/upper,workdir={SPACE}/work")
    for link in ("bin", "lib", "lib64", "sbin"):
        (ROOT / link).symlink_to(f"usr/{link}")
    for folder in ("etc/default", "etc/systemd/system", "root", "run", "var/cache", "var/lib",
                   "var/log"):
        (ROOT / folder).mkdir(parents=True)
    for entry in COPIED:
        copy(pathlib.Path("/etc") / entry, ROOT / "etc" / entry)
    for path, text in FILES.items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text)
    for layer in layers:
        copy(pathlib.Path(layer) / "etc", ROOT / "etc")
    (ROOT / "etc/hostname").write_text(f"{name}\n")
    (ROOT / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")  # else all units are enabled


def remove_groups(group):
    """They are empty: all processes are gone."""
    for folder, _, _ in os.walk(group, topdown=False):
        os.rmdir(folder)


def main():
    given = json.loads(sys.argv[1])
    make_root(given["name"], given["layers"])
    mount("cgroup2", CGROUPS)
    group = CGROUPS / f"loads-lab-{os.getpid()}"
    group.mkdir()
    command = ["systemd-nspawn", "--quiet", "--boot", "--directory", ROOT, "--machine", given["name"],
               "--notify-ready=yes", "--register=no", "--keep-unit", "--console=pipe",
               "--system-call-filter=bpf", *given["options"]]
    container = subprocess.Popen(
        command, stdin=subprocess.DEVNULL,
        preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())))
    signal.signal(signal.SIGTERM, lambda number, frame: container.terminate())  # powers it off
    code = container.wait()
    remove_groups(group)
    sys.exit(code)


if __name__ == "__main__":
    main()
