"""Our completions beside OpenCV's Telea (2004) on the same images and masks: mean PSNR and SSIM.

python -m tf_inpaint.complete --run_dir=RUN --mask=center --count=64 --out_dir=OUT
python tests/benchmarks/telea.py OUT [OUT ...]
"""

import dataclasses
import json
import sys
from pathlib import Path

import cv2
import numpy as np

from tf_inpaint import images, inputs, runs
from tf_inpaint.config import CompleteConfig
from tf_inpaint.jobs import scores

NAMES = ("hole_psnr", "psnr", "hole_ssim", "ssim")


def telea(example: inputs.Example) -> np.ndarray:
    hole = np.uint8(example.known[..., 0] == 0)
    result = cv2.inpaint(np.ascontiguousarray(example.masked), hole, 3, cv2.INPAINT_TELEA)
    return images.to_float(result.reshape(example.masked.shape))


def examples(config: CompleteConfig):
    """The held-out images of a job, masked as it masked them, by key."""
    trained = runs.read_config(Path(config.run_dir))
    size, channels = trained.image_size, trained.channels
    masks = inputs.Masks(config.mask, size, channels, 0, config.seed, config.mask_scale, config.invert_mask)
    return {
        item.key: masks.example(item) for item in inputs.held_out(inputs.pictures(trained, "held_out"), config.count)
    }


def main(folders):
    print("| mask | images | method | hole PSNR | PSNR | hole SSIM | SSIM |\n|---|---|---|---|---|---|---|")
    for folder in map(Path, folders):
        there = json.loads((folder / "config.json").read_text())
        fields = {field.name for field in dataclasses.fields(CompleteConfig)} - {"images"}
        config = CompleteConfig(**{name: there[name] for name in fields})
        lines = list(map(json.loads, (folder / "completions.jsonl").read_text().splitlines()))
        masked = examples(config)
        baseline = []
        for line in lines:
            example = masked[line["file"]]
            baseline.append(scores(telea(example), images.to_float(example.original), 1 - example.known))
        for method, rows in (("tf_inpaint", lines), ("OpenCV Telea", baseline)):
            means = " | ".join(f"{np.mean([row[name] for row in rows]):.2f}" for name in NAMES)
            print(f"| {config.mask} | {len(rows)} | {method} | {means} |")


if __name__ == "__main__":
    main(sys.argv[1:])
