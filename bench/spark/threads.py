"""CPU seconds of a command by what its threads do, as the kernel has them by name (proc_pid_stat(5))."""

import os
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

# Threads are looked at so often: what the last look missed of a thread that has ended is not in the figures.
SECONDS = 0.2
# The first 15 bytes of a name are all that the kernel keeps.
NAMES = {
    "Executor task": "Spark's tasks in Java",
    "stdout writer": "rows on their way to Python",
    "Writer for": "rows on their way to Python",
    "GC Thread": "garbage collector",
    "G1 ": "garbage collector",
    "VM ": "garbage collector",
    "C1 Compiler": "Java's compiler",
    "C2 Compiler": "Java's compiler",
    "python": "Python",
}
OTHERS = "all others"


class Threads:
    """Follows the threads of one session, which a command and all its descendants have in common."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._ticks: dict[tuple[str, str], tuple[str, int]] = {}
        self._ended = Event()
        self._looking = Thread(target=self._look, daemon=True)
        self._looking.start()

    def end(self) -> dict[str, float]:
        """Stops looking; CPU seconds by what the threads did."""
        self._ended.set()
        self._looking.join()
        seconds: dict[str, float] = {}
        for name, ticks in self._ticks.values():
            what = purpose(name)
            seconds[what] = seconds.get(what, 0) + ticks / os.sysconf("SC_CLK_TCK")
        return seconds

    def _look(self) -> None:
        while not self._ended.wait(SECONDS):
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    if os.getsid(int(process.name)) == self._session:
                        self._count(process)

    def _count(self, process: Path) -> None:
        for thread in (process / "task").iterdir():
            with suppress(OSError):
                # A name in brackets, of any bytes; user and system time are fields 14 and 15.
                head, fields = (thread / "stat").read_text().rsplit(")", 1)
                user, system = fields.split()[11:13]
                self._ticks[process.name, thread.name] = head.split("(", 1)[1], int(user) + int(system)


def purpose(name: str) -> str:
    """What a thread of that name does."""
    return next((what for start, what in NAMES.items() if name.startswith(start)), OTHERS)
