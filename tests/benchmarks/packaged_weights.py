"""Makes the weights that come with the package, of which `--run_dir=digits` completes digits.

    python tests/benchmarks/packaged_weights.py runs/story

Writes the networks of a run, in float16, and its mean estimate to the package. The run is that of
the first command, `python -m tf_inpaint`. Prints the size of each file.
"""

import argparse
import dataclasses
import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tf_inpaint.config.flags import to_json  # noqa: E402
from tf_inpaint.runs import packaged_run, run_directory  # noqa: E402


def main():
    """Writes the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir")
    run = run_directory.load(parser.parse_args().run_dir)
    if run.config.dataset != "digits" or run.encoder is None:
        parser.error("RUN must be a run of digits with an encoder, as the first command makes it.")

    folder = packaged_run.FOLDER
    folder.mkdir(exist_ok=True)
    config = dataclasses.replace(run.config, run_dir=packaged_run.NAME)
    (folder / "config.json").write_text(to_json(config))
    packaged_run.save(folder, run)
    shutil.rmtree(folder / "mean_estimate", ignore_errors=True)
    estimate = run.mean_estimate_file
    (folder / "mean_estimate").mkdir()
    shutil.copy2(estimate, folder / "mean_estimate")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        print(f"{path.name} {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
