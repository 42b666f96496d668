# SPDX-License-Identifier: MPL-2.0
"""The Node package, installed once per build directory as its lock file says."""

import fcntl
import hashlib
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "client/runners/node"


def install(build_dir):
    """Where it is: a folder with node_modules."""
    folder = pathlib.Path(build_dir) / "node"
    folder.mkdir(exist_ok=True)
    lock = (SOURCE / "package-lock.json").read_bytes()
    mark = folder / "installed"
    with (folder / "busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_text() != hashlib.sha256(lock).hexdigest():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(SOURCE / name, folder / name)
            ran = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--omit=dev"], cwd=folder,
                                 capture_output=True, text=True, timeout=600)
            assert ran.returncode == 0, ran.stdout + ran.stderr
            mark.write_text(hashlib.sha256(lock).hexdigest())
        for name in ("bin", "lib"):
            shutil.copytree(SOURCE / name, folder / name, dirs_exist_ok=True)
    return folder
