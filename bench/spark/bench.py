"""CPU time a row of the application, of a plain copy, and of the usual way in Java.

usage: bench.py [--rows 1000000 5000000] [--rounds 3] [--only NAME…] [--work FOLDER]

Each variant runs as a process of its own on local[2] at two table sizes; what start-up, the heap (of its
full size from the start) and the KMS calls cost is the same at both, so the difference divided by the
further rows is the marginal cost of a row.
Variants take turns, after one run each that does not count (it finds jars and libraries on disk, not in
memory), and of each size the mean of the rounds counts. Whole-machine CPU seconds come from
/proc/stat: Java's garbage collector and compiler, Python's workers and the kernel's part are all in them,
and so is whatever else the machine does: keep it quiet. Where the kernel lets this process make a control
group, the CPU time of the variant's own processes stands beside it, and the ratios are made of that.
"""

import argparse
import json
import shlex
import shutil
import sys
from itertools import product
from pathlib import Path
from statistics import mean

from cpu import Cost, Group, measure
from users import make_tables
from variants import CONF, HERE, VARIANTS, build_java, command

from tests.fake_kms import FakeKms
from tests.tables import World

# What the application is to reach: µs a row, and shares of another variant's.
MOST_MICROS = {"shared": 6.2}
MOST_SHARES = {("shared", "java"): 0.67, ("row", "java"): 1.2}


def say(line: str) -> None:
    """At once: a run takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def report(margins: dict[str, Cost]) -> None:
    """The table, and how the application stands to Java."""
    say("\nmarginal CPU µs a row" + " " * 46 + "whole machine   own processes")
    for variant, cost in margins.items():
        say(f"{variant + ': ' + VARIANTS[variant]:72} {cost.machine:7.2f} {cost.own:15.2f}")
    micros = {variant: cost.own or cost.machine for variant, cost in margins.items()}
    for keying, most in MOST_MICROS.items():
        if keying in micros:
            met = verdict(micros[keying] <= most)
            say(f"{keying}: {micros[keying]:.2f} µs; the bound of {most} is {met}")
    for keying in ("shared", "row"):
        for java in ("java", "java-staging"):
            if keying in micros and java in micros:
                share = micros[keying] / micros[java]
                bound = MOST_SHARES.get((keying, java))
                against = "" if bound is None else f"; the bound of {bound} is {verdict(share <= bound)}"
                say(f"{keying} / {java}: {share:.2f}{against}")


def verdict(met: bool) -> str:
    """In words."""
    return "met" if met else "NOT met"


def main() -> None:
    """Measures and prints one JSON line for each run, then the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs=2, default=[1_000_000, 5_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--work", type=Path, default=HERE.parents[1] / ".reseal" / "bench-spark")
    options = parser.parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    jars = build_java(work) if {"java", "java-staging"} & set(options.only) else []
    world = World()
    kms = FakeKms(world.kms_keys())
    folders = {rows: work / str(rows) for rows in options.rows}
    for rows, folder in folders.items():
        shutil.rmtree(folder, ignore_errors=True)
        make_tables(folder / "in", rows, world)
    env = {"PYSPARK_SUBMIT_ARGS": shlex.join([*CONF, "pyspark-shell"])}
    group = Group()
    costs: dict[tuple[str, int], list[Cost]] = {}

    def run(variant: str, rows: int) -> Cost:
        shutil.rmtree(folders[rows] / "out", ignore_errors=True)
        return measure(command(variant, folders[rows], kms, world, jars), env, group)

    small, large = options.rows
    for variant in options.only:
        run(variant, small)
    for number in range(options.rounds):
        for variant, rows in product(options.only, options.rows):
            cost = run(variant, rows)
            costs.setdefault((variant, rows), []).append(cost)
            say(json.dumps({"round": number, "variant": variant, "rows": rows, **vars(cost)}))

    def margin(variant: str, part: str) -> float:
        of_large, of_small = (mean(getattr(cost, part) for cost in costs[variant, n]) for n in (large, small))
        return 1e6 * (of_large - of_small) / (large - small)

    report({variant: Cost(margin(variant, "machine"), margin(variant, "own")) for variant in options.only})
    group.close()
    for folder in folders.values():
        shutil.rmtree(folder)
    kms.close()


if __name__ == "__main__":
    main()
