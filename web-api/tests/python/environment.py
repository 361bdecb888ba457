"""A virtual environment of a script's own, with the packages that it names in the versions of constraints.txt."""

import os
import subprocess
import sys
import venv

CONSTRAINTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "constraints.txt")


def ready(folder, packages):
    """Makes the environment in `folder` unless it is there with these packages, of this Python, and returns the folder of its programs."""
    with open(CONSTRAINTS, encoding="utf-8") as file:
        wanted = "\n".join([sys.version, *packages, file.read()])
    done = os.path.join(folder, "done")
    programs = os.path.join(folder, "bin")
    if os.path.exists(done):
        with open(done, encoding="utf-8") as file:
            if file.read() == wanted:
                return programs
    venv.create(folder, with_pip=True, clear=True)
    python = os.path.join(programs, "python")
    command = [python, "-m", "pip", "-q", "install", "--constraint", CONSTRAINTS, *packages]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(f"the Python package index did not give {' '.join(packages)}: without it these tests cannot be run")
    with open(done, "w", encoding="utf-8") as file:
        file.write(wanted)
    return programs


def become(folder, packages):
    """Goes on as the environment's Python; returns where it is that already."""
    programs = ready(folder, packages)
    if os.path.realpath(sys.prefix) != os.path.realpath(folder):
        python = os.path.join(programs, "python")
        os.execv(python, [python, *sys.argv])
