"""CPU seconds of a command: of the whole machine, and of its own processes."""

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from threads import Threads


@dataclass
class Cost:
    """CPU seconds of the whole machine, and of the variant's own processes (0 where nothing counts them)."""

    machine: float
    own: float
    # The same of its threads, by what they do; empty where nobody asked.
    threads: dict[str, float] = field(default_factory=dict)


def machine_seconds() -> float:
    """The busy time: user, nice, system, irq and softirq (proc(5)), neither idle nor stolen."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    busy = fields[0] + fields[1] + fields[2] + fields[5] + fields[6]
    return busy / os.sysconf("SC_CLK_TCK")


class Group:
    """A control group for one command and all its descendants (cgroups(7), version 1 or 2)."""

    def __init__(self) -> None:
        self._place: Path | None = None
        for parent in (Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup")):
            place = parent / f"reseal-bench-{os.getpid()}"
            try:
                place.mkdir()
            except OSError:
                continue
            if (place / "cgroup.procs").exists():
                self._place = place
                return
            place.rmdir()

    def add(self, process: int) -> None:
        """Moves a process into the group; the children that it starts from then on follow."""
        if self._place is not None:
            (self._place / "cgroup.procs").write_text(str(process))

    def seconds(self) -> float:
        """CPU time so far."""
        if self._place is None:
            return 0
        usage = self._place / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text()) / 1e9
        return int((self._place / "cpu.stat").read_text().split()[1]) / 1e6

    def close(self) -> None:
        """Removes the group. While a process of it is still ending that fails, and the empty group stays."""
        if self._place is not None:
            with suppress(OSError):
                self._place.rmdir()


def measure(command: list[str], env: dict[str, str], group: Group, *, by_thread: bool = False) -> Cost:
    """Runs a command to its end, and looks at its threads where that is wanted.

    If this process is interrupted, the command is killed.
    """
    machine, own = machine_seconds(), group.seconds()
    process = subprocess.Popen(
        command,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    threads = Threads(process.pid) if by_thread else None
    try:
        group.add(process.pid)
        stdout, stderr = process.communicate()
    except BaseException:
        # A JVM outlives the program that started it, and would go on writing into the folder.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    if process.returncode != 0:
        raise SystemExit(f"{command[:4]} failed:\n{stdout[-2000:]}\n{stderr[-4000:]}")
    by_purpose = {} if threads is None else threads.end()
    return Cost(machine_seconds() - machine, group.seconds() - own, by_purpose)
