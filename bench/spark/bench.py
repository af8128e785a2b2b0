"""The CPU time of a further row: of the application, of a plain copy, and of the usual way in Java.

usage: bench.py [--rows 1000000 5000000] [--rounds 3] [--only NAME…] [--threads] [--work FOLDER]

Each variant runs in a process of its own on local[2], at two table sizes. Start-up, the heap (which has its
full size from the start) and the KMS calls cost the same at both sizes, so the difference divided by the
number of further rows is the marginal cost of a row.
Variants take turns. Each first runs once without being counted, so that all of them find their jars and
libraries in memory; then the mean of the rounds counts. The CPU seconds of the whole machine come from
/proc/stat and include Java's garbage collector and compiler, Python's workers and the kernel, but also
whatever else the machine does: keep it quiet. If the kernel allows a control group, the CPU time of the
variant's own processes is measured as well, and the ratios are computed from it.
With --threads the CPU time of a further row is also given by what the threads of a variant do (threads.py);
looking at them takes time of the machine, but none of the variant's own.
Tables and jars (some 2 GB) are written to a folder that is removed at the end, also after ctrl-C: by default
a new one in the system's temporary folder, or a new one inside --work.
"""

import argparse
import json
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import mean

from cpu import Cost, Group, measure
from users import make_tables
from variants import CONF, KEYINGS, VARIANTS, build_java, command

from support.fake_kms import FakeKms
from support.tables import World

# The application's bounds: µs a row, and shares of another variant's.
MOST_MICROS = {"shared": 6.2}
MOST_SHARES = {("shared", "java"): 0.67, ("row", "java"): 1.2}


def say(line: str) -> None:
    """Prints a line at once, since the next may take minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def report(margins: dict[str, Cost]) -> None:
    """Prints the table, and the application's share of what Java takes."""
    say("\nmarginal CPU µs a row" + " " * 46 + "whole machine   own processes")
    for variant, cost in margins.items():
        say(f"{variant + ': ' + VARIANTS[variant]:72} {cost.machine:7.2f} {cost.own:15.2f}")
    for variant, cost in margins.items():
        for what, micros_a_row in sorted(cost.threads.items(), key=lambda part: -part[1]):
            say(f"  {variant}: {what:40} {micros_a_row:7.2f}")
    micros = {variant: cost.own or cost.machine for variant, cost in margins.items()}
    for keying, most in MOST_MICROS.items():
        if keying in micros:
            met = verdict(micros[keying] <= most)
            say(f"{keying}: {micros[keying]:.2f} µs; the bound of {most} is {met}")
    for keying in KEYINGS:
        for java in ("java", "java-staging"):
            if keying in micros and java in micros:
                share = micros[keying] / micros[java]
                bound = MOST_SHARES.get((keying, java))
                against = "" if bound is None else f"; the bound of {bound} is {verdict(share <= bound)}"
                say(f"{keying} / {java}: {share:.2f}{against}")


def verdict(met: bool) -> str:
    """In words."""
    return "met" if met else "NOT met"


def measured(options: argparse.Namespace, work: Path) -> dict[str, Cost]:
    """Measures all variants, printing one JSON line for each run; the cost of a further row."""
    jars = build_java(work) if {"java", "java-staging"} & set(options.only) else []
    world = World()
    kms = FakeKms(world.kms_keys())
    folders = {rows: work / str(rows) for rows in options.rows}
    for rows, folder in folders.items():
        make_tables(folder / "in", rows, world)
    # A process that is killed leaves its own temporary files where they are.
    temporary = work / "temporary"
    temporary.mkdir()
    env = {
        "PYSPARK_SUBMIT_ARGS": shlex.join([*CONF, "pyspark-shell"]),
        "SPARK_LOCAL_DIRS": str(temporary),
        "TMPDIR": str(temporary),
    }
    group = Group()
    costs: dict[tuple[str, int], list[Cost]] = {}

    def run(variant: str, rows: int) -> Cost:
        shutil.rmtree(folders[rows] / "out", ignore_errors=True)
        started = command(variant, folders[rows], kms, world, jars)
        return measure(started, env, group, by_thread=options.threads)

    small, large = options.rows
    try:
        for variant in options.only:
            run(variant, small)
        for number in range(options.rounds):
            for variant, rows in product(options.only, options.rows):
                cost = run(variant, rows)
                costs.setdefault((variant, rows), []).append(cost)
                say(json.dumps({"round": number, "variant": variant, "rows": rows, **vars(cost)}))
    finally:
        group.close()
        kms.close()

    def margin(variant: str, part: Callable[[Cost], float]) -> float:
        of_large, of_small = (mean(map(part, costs[variant, n])) for n in (large, small))
        micros: float = 1e6 * (of_large - of_small) / (large - small)
        return micros

    def thread(name: str) -> Callable[[Cost], float]:
        return lambda cost: cost.threads.get(name, 0)

    def margins(variant: str) -> Cost:
        names = {name for rows in options.rows for cost in costs[variant, rows] for name in cost.threads}
        threads = {name: margin(variant, thread(name)) for name in names}
        machine, own = margin(variant, lambda cost: cost.machine), margin(variant, lambda cost: cost.own)
        return Cost(machine, own, threads)

    return {variant: margins(variant) for variant in options.only}


SIGNALS = (signal.SIGINT, signal.SIGTERM)


def terminated(number: int, _: object) -> None:
    """Turns a signal into an exception, so that the folder is removed on the way out, undisturbed."""
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main() -> None:
    """Measures in a scratch folder, and prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs=2, default=[1_000_000, 5_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--threads", action="store_true", help="CPU time by what the threads do, too")
    parser.add_argument("--work", type=Path, help="where the folder is made, instead of the temporary folder")
    options = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, terminated)
    with tempfile.TemporaryDirectory(prefix="reseal-bench-", dir=options.work) as work:
        report(measured(options, Path(work)))


if __name__ == "__main__":
    main()
