"""Build the worker of workers/typescript, unless it is built; where that cannot be, say why (status 1)."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "workers" / "typescript"
OLDEST_NODE = 20
INSTALLED = FOLDER / "node_modules" / ".package-lock.json"  # npm writes it last
COMPILER = FOLDER / "node_modules" / ".bin" / "tsc"
WORKER = FOLDER / "dist" / "worker.js"
BUILT = FOLDER / "tsconfig.tsbuildinfo"  # the compiler writes it last
# A newcomer without a network hears of it in seconds, not after the minute in which npm tries again.
INSTALL = ("npm", "ci", "--include=dev", "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")


def main() -> None:
    """Build, alone: another build that runs now is waited for, and may have done all there is to do."""
    check_node()
    folder = os.open(FOLDER, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)  # until this process ends
    if not is_current(COMPILER) or not is_current(INSTALLED, FOLDER / "package-lock.json"):
        announce("npm ci, npx tsc")
        if shutil.which("npm") is None:
            sys.exit("npm is not installed")
        run("npm ci", *INSTALL)
    elif not is_current(WORKER) or not is_current(BUILT, FOLDER / "tsconfig.json", *FOLDER.glob("src/*.ts")):
        announce("npx tsc")
    else:
        return
    # With it the compiler would leave alone what it believes to be there.
    BUILT.unlink(missing_ok=True)
    try:
        run("npx tsc", str(COMPILER))
    except SystemExit:
        BUILT.unlink(missing_ok=True)
        raise


def check_node() -> None:
    """End if there is no Node, or one that is too old."""
    if shutil.which("node") is None:
        sys.exit("node is not installed")
    version = subprocess.run(["node", "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()
    found = re.match(r"v(\d+)\.", version)
    if not found or int(found[1]) < OLDEST_NODE:
        sys.exit(f"Node {OLDEST_NODE} or newer is needed, this is {version or 'none'}")


def is_current(path: Path, *sources: Path) -> bool:
    """Whether a file is there, and as new as all that it was made from."""
    return path.exists() and all(source.stat().st_mtime_ns <= path.stat().st_mtime_ns for source in sources)


def announce(what: str) -> None:
    print(f"The worker for Node is built first ({what}): some 10 seconds, 2 minutes at most.", flush=True)


def run(name: str, *command: str) -> None:
    """Run a command in the worker's folder; end with the first line that it says if it fails."""
    ran = subprocess.run(command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ran.returncode != 0:
        said = next(iter(ran.stdout.splitlines()), "nothing")
        sys.exit(f"{name} ended with status {ran.returncode} and said: {said}")


if __name__ == "__main__":
    main()
