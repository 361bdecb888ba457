"""Measures a command with everything that it starts: CPU seconds, wall seconds, memory, time to marked events.

How the CPU seconds of a whole process tree are counted: this process declares itself the reaper of orphans
(`prctl(PR_SET_CHILD_SUBREAPER)`, Linux), so that whatever the command leaves behind becomes its child, and waits
for all of it; what still runs `GRACE_SECONDS` after the command ended is stopped. `wait4` then gives user and
system time of everything that was waited for. Processes whose parent ignores SIGCHLD (Ray's daemons do) are never
waited for, and are missing from that: for them the last figures that /proc showed are added, at most
`PERIOD_SECONDS` short of the truth for each. The plain sum of what /proc showed is kept as a check.
"""

import ctypes
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

PERIOD_SECONDS = 0.2  # between two looks at /proc; PSS is dearer to read, and taken every tenth time
PSS_EVERY = 10
POLL_SECONDS = 0.02  # between two looks whether the command has ended
GRACE_SECONDS = 20.0
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Measured:
    """What a command took. Times in seconds, memory in MiB."""

    returncode: int = 0
    started: float = 0.0  # time.monotonic() at the start
    wall: float = 0.0
    cpu: float = 0.0
    cpu_seen: float = 0.0  # by /proc alone
    rss: float = 0.0  # the largest sum over the processes; shared pages count for each of them
    pss: float = 0.0  # the same with shared pages divided; sampled more rarely
    processes: int = 0
    lines: list = field(default_factory=list)  # of standard output: (seconds after the start, text)

    def first(self, start):
        """Seconds until the first line that begins so; none if there is none."""
        return next((at for at, text in self.lines if text.startswith(start)), None)

    def text(self, start):
        """The last line that begins so; empty if there is none."""
        return next((text for _, text in reversed(self.lines) if text.startswith(start)), "")


@dataclass
class Seen:
    """A process as /proc showed it last."""

    own: float
    waited: float
    parent_ignores: bool


class Tree:
    """The processes below this one, looked at again and again."""

    def __init__(self):
        self.seen, self.rss, self.pss, self.most, self.looks = {}, 0, 0, 0, 0

    def look(self):
        """Reads times and memory of everything below this process."""
        table = dict(filter(None, map(stat, filter(str.isdigit, os.listdir("/proc")))))
        alive = [pid for pid in table if pid != os.getpid() and below(pid, table)]
        ignores = {}
        for pid in alive:
            parent, start, own, waited, _ = table[pid]
            if parent not in ignores:
                ignores[parent] = ignores_children(parent)
            self.seen[pid, start] = Seen(own, waited, ignores[parent])
        self.rss = max(self.rss, sum(table[pid][4] for pid in alive))
        self.most = max(self.most, len(alive))
        if self.looks % PSS_EVERY == 0:
            self.pss = max(self.pss, sum(map(proportional, alive)))
        self.looks += 1
        return alive

    def unreaped(self, reaped):
        """CPU seconds of processes that nobody waited for: /proc is the only witness."""
        lost = (seen for (pid, _), seen in self.seen.items() if seen.parent_ignores and pid not in reaped)
        return sum(seen.own + seen.waited for seen in lost)

    def total(self):
        """CPU seconds of all processes seen, as last seen."""
        return sum(seen.own for seen in self.seen.values())


def stat(name):
    """(pid, (parent, start time, own CPU s, CPU s of waited children, RSS bytes)) of a process; none if it is gone."""
    try:
        text = Path("/proc", name, "stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    times = [int(ticks) / TICKS for ticks in fields[11:15]]
    page = os.sysconf("SC_PAGE_SIZE")
    return int(name), (int(fields[1]), fields[19], sum(times[:2]), sum(times[2:]), int(fields[21]) * page)


def below(pid, table):
    """Tells whether this process is among the ancestors."""
    while pid in table:
        if pid == os.getpid():
            return True
        pid = table[pid][0]
    return False


def status_field(pid, file, key):
    """A field of a file of /proc/PID; none if it is gone."""
    try:
        lines = Path("/proc", str(pid), file).read_text().splitlines()
    except OSError:
        return None
    return next((line.split()[1] for line in lines if line.startswith(key)), None)


def ignores_children(pid):
    """Tells whether the process has SIGCHLD ignored: then its children are reaped without being counted."""
    mask = status_field(pid, "status", "SigIgn:")
    return mask is not None and bool(int(mask, 16) >> (signal.SIGCHLD - 1) & 1)


def proportional(pid):
    """PSS in bytes."""
    return int(status_field(pid, "smaps_rollup", "Pss:") or 0) * 1024


def measure(command, env=None, echo=False):
    """Runs the command to its end and counts what it and everything that it started took.

    The last lines of standard error are printed if it fails.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    measured, tree, reaped = Measured(), Tree(), set()
    start = measured.started = time.monotonic()
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    errors = []
    readers = [
        threading.Thread(target=keep_lines, args=(process.stdout, start, measured.lines, echo), daemon=True),
        threading.Thread(target=keep_lines, args=(process.stderr, start, errors, False), daemon=True),
    ]
    for reader in readers:
        reader.start()
    while process.pid not in reaped:
        tree.look()
        until = time.monotonic() + PERIOD_SECONDS
        while process.pid not in reaped and time.monotonic() < until:
            measured.cpu += reap(reaped, process.pid, measured)
            time.sleep(POLL_SECONDS)
    measured.wall = time.monotonic() - start
    measured.cpu += finish(tree, reaped)
    process.returncode = measured.returncode
    for reader in readers:
        reader.join(timeout=GRACE_SECONDS)
    measured.cpu += tree.unreaped(reaped)
    measured.cpu_seen = tree.total()
    measured.rss = max(measured.rss, tree.rss / 2**20)
    measured.pss, measured.processes = tree.pss / 2**20, tree.most
    if measured.returncode != 0:
        print("\n".join(text for _, text in errors[-30:]), flush=True)
    return measured


def keep_lines(stream, start, lines, echo):
    """Notes each line with its time."""
    for line in stream:
        lines.append((time.monotonic() - start, line.rstrip("\n")))
        if echo:
            print("    " + line, end="", flush=True)


def reap(reaped, main, measured):
    """Waits for whatever has ended; the CPU seconds of it and of what it waited for."""
    spent = 0.0
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return spent
        if pid == 0:
            return spent
        spent += usage.ru_utime + usage.ru_stime
        reaped.add(pid)
        if pid == main and measured is not None:
            measured.returncode = os.waitstatus_to_exitcode(status)
            measured.rss = usage.ru_maxrss / 1024


def finish(tree, reaped):
    """Waits for what the command left behind, and stops what does not end by itself."""
    spent, start = 0.0, time.monotonic()
    while alive := tree.look():
        spent += reap(reaped, None, None)
        patience = time.monotonic() - start
        for pid in alive if patience > GRACE_SECONDS else ():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(PERIOD_SECONDS)
    return spent + reap(reaped, None, None)
