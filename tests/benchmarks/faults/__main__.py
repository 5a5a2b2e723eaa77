"""Tries what must do no harm, from bad command lines to hostile requests.

    python tests/benchmarks/faults
    python tests/benchmarks/faults --parts=kills --kills=20 --seed=1
    python tests/benchmarks/faults --quick

The table has one row for each kind of fault, with the number of tries and how many ended as wanted.
Each try that did not is printed with its command line, and the folder of the tries is kept. It is
wanted that

* a bad command line ends with exit code 2 and one line on stderr, and that nothing is written;
* a killed command goes on when it is started again, its results are those of a command that was
  never killed, and no hidden file is left;
* a command on a full disk ends with one sentence, its files are whole, and it goes on like a killed
  one once there is room;
* a damaged file of a run or of a job never leads to a traceback, and a refusal changes nothing;
* a hostile request to the page is answered, writes little to the log, and the page goes on.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import command_lines
import damaged_folders
import full_disks
import hostile_requests
import kills
import processes
import small_jobs
from tally import Tally

PARTS = ("command_lines", "kills", "full_disks", "damaged_folders", "requests")


def parse_arguments():
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="default: %(default)s")
    parser.add_argument("--command_lines", type=int, default=200, help="number of command lines")
    parser.add_argument("--kills", type=int, default=200, help="number of kills of all commands")
    parser.add_argument("--sizes", type=int, default=10, help="number of sizes of a disk")
    parser.add_argument("--damages", type=int, default=120, help="number of damaged files")
    parser.add_argument("--requests", type=int, default=300, help="number of requests")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a tenth of all numbers")
    parser.add_argument("--work_dir", help="new folder for the tries; default: a temporary folder")
    arguments = parser.parse_args()
    arguments.parts = arguments.parts.split(",")
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"--parts must be any of {','.join(PARTS)}; received {unknown.pop()}.")
    return arguments


def main() -> int:
    """Prints the table. Returns 1 if a try did not end as wanted."""
    arguments = parse_arguments()
    share = 10 if arguments.quick else 1
    work_dir = Path(arguments.work_dir or tempfile.mkdtemp(prefix="faults-")).absolute()
    started = time.perf_counter()
    tally = Tally()
    processes.import_package()
    small_jobs.prepare(work_dir)
    for part, run, count in (
        ("command_lines", command_lines.run, arguments.command_lines),
        ("kills", kills.run, arguments.kills),
        ("full_disks", full_disks.run, arguments.sizes),
        ("damaged_folders", damaged_folders.run, arguments.damages),
        ("requests", hostile_requests.run, arguments.requests),
    ):
        if part in arguments.parts:
            run(work_dir, -(-count // share), arguments.seed, tally)
            print(f"{part}: {(time.perf_counter() - started) / 60:.1f} minutes", flush=True)
            started = time.perf_counter()
    print(f"\n{tally.table()}")
    if tally.failures:
        print(f"\nNot as wanted, in {work_dir}:\n" + "\n".join(tally.failures))
        return 1
    shutil.rmtree(work_dir)
    return 0


if __name__ == "__main__":
    sys.exit(main())
