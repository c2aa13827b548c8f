"""Copies of the examples, and programs that stand in for Node's."""

import shutil
from pathlib import Path

from examples.demo import HERE

LEFT_OUT = ("__pycache__", "node_modules", "dist", "*.tsbuildinfo", "go", "java", "rust")
NODE = "echo v20.0.0"
# Installs a compiler that says by a file that it runs, so that two at a time fail.
NPM = r"""
[ "$1" = ci ] || exit 1
mkdir -p node_modules/.bin
cat > node_modules/.bin/tsc <<'END'
#!/bin/sh
PATH=/usr/bin:/bin
mkdir running || exit 1
sleep 0.3
mkdir -p dist
touch dist/worker.js tsconfig.tsbuildinfo
rmdir running
END
chmod +x node_modules/.bin/tsc
touch node_modules/.package-lock.json
"""


def copied(directory: Path) -> Path:
    """Copy the examples as a fresh checkout has them."""
    return Path(shutil.copytree(HERE, directory / "examples", ignore=shutil.ignore_patterns(*LEFT_OUT)))


def program(directory: Path, name: str, script: str) -> None:
    """Write a program; a PATH of its directory alone has nothing else."""
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    path.chmod(0o755)
