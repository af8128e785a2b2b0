"""Makes the virtual environment that jobs/spark/venv.ts asked for, once, whoever asks at the same time.

usage: make_venv.py VENV REQUIREMENTS STAMP MUTEX [spark]

With `spark` the jars that Spark runs with are fetched into its folder `jars`, and `java` leads to its Java.

The kernel drops a flock when its holder dies, so a killed creation never blocks the next one; the stamp
is written last, so a half-made environment is never taken for a whole one.
"""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path


def main(venv: Path, requirements: Path, stamp: str, mutex: Path, spark: bool) -> int:
    mutex.parent.mkdir(parents=True, exist_ok=True)
    with mutex.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mark = venv / "reseal-lock"
        if mark.is_file() and mark.read_text() == stamp:
            return 0
        if venv.exists():
            mark.unlink(missing_ok=True)
            shutil.rmtree(venv)
        made = subprocess.run([sys.executable, "-m", "venv", str(venv)], check=False)
        if made.returncode != 0:
            return 3
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
        # A lock is whole: what it lacks, it lacks on purpose (airflow-overrides.txt).
        pip.append("--no-deps")
        installed = subprocess.run(
            [*pip, "--quiet", "--require-hashes", "--requirement", str(requirements)], check=False
        )
        if installed.returncode != 0:
            return 4
        if spark:
            script = Path(__file__).parent / "fetch_jars.py"
            fetched = subprocess.run([str(venv / "bin" / "python"), str(script), str(venv)], check=False)
            if fetched.returncode != 0:
                return 5
        mark.write_text(stamp)
        return 0


if __name__ == "__main__":
    sys.exit(
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), sys.argv[5:] == ["spark"])
    )
