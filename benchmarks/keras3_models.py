"""Every application of Keras 3, saved by Keras 3 and loaded as `tf_keras`: how near the answers, how long it takes.

    python benchmarks/keras3_models.py [--models MobileNetV3Small,ConvNeXtTiny | --all] [--size 96] [--json]

Each model runs in a process of its own: random weights, random batch-norm statistics, `save` by Keras 3, then
`pipeline.models.load.load_file`. The difference is the largest one between both models' outputs on four random
images, relative to the largest output. "saved again" is the same after a `.keras` and an `.h5` file of `tf_keras`.
Exit status 1 if a model is not carried or differs by more than 1e-5.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.benchmarking.host import describe_host

MODELS = (
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "MobileNetV3Large",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "NASNetMobile",
    "ResNet50",
    "ResNet50V2",
    "DenseNet121",
    "Xception",
    "InceptionV3",
    "InceptionResNetV2",
    "ConvNeXtTiny",
    "VGG16",
)
"""One of each architecture that Keras 3 has; `--all` takes every size of each too."""

TOLERANCE = 1e-5
TIMEOUT = 1200


def randomize(model: Any, generator: np.random.Generator) -> None:
    """Batch-norm statistics, gammas, betas and biases that are not zeros and ones, as training would leave them."""
    for weight in model.weights:
        name = weight.path.rsplit("/", 1)[-1]
        if "variance" in name or name == "gamma":
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
        elif "mean" in name or name in ("beta", "bias"):
            weight.assign(generator.normal(0, 0.1, weight.shape))
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # Normalization computes with copies of its weights
            layer.finalize_state()


def measure(name: str, size: int) -> dict[str, Any]:
    """Build, save, load and compare one model in this process."""
    import keras

    from pipeline.models.load import load_file
    from pipeline.models.trial_inputs import difference

    generator = np.random.default_rng(0)
    source = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10)
    randomize(source, generator)
    # Some of them scale the pixels themselves.
    high = 255.0 if any(type(layer).__name__ in ("Rescaling", "Normalization") for layer in source.layers) else 1.0
    images = generator.uniform(0, high, (4, size, size, 3)).astype(np.float32)
    wanted = np.asarray(source(images, training=False))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "three.keras"
        source.save(path)
        started = time.perf_counter()
        model = load_file(path)
        seconds = time.perf_counter() - started
        again = 0.0
        for suffix in ("keras", "h5"):
            model.save(Path(folder) / f"two.{suffix}")
            loaded = load_file(Path(folder) / f"two.{suffix}")
            again = max(again, difference(wanted, loaded(images, training=False).numpy()))
    return {
        "model": name,
        "parameters": int(model.count_params()),
        "layers": len(source.layers),
        "difference": difference(wanted, model(images, training=False).numpy()),
        "saved_again": again,
        "seconds": round(seconds, 2),
    }


def in_a_process(name: str, size: int) -> dict[str, Any]:
    """`measure` in a process of its own; what went wrong under "error"."""
    command = [sys.executable, __file__, "--one", name, "--size", str(size)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return {"model": name, "error": f"not done after {TIMEOUT} s"}
    if done.returncode:
        return {"model": name, "error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def is_carried(row: dict[str, Any]) -> bool:
    """Whether it answers the same, and still does after being saved by `tf_keras`."""
    return "error" not in row and max(row["difference"], row["saved_again"]) <= TOLERANCE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="names of keras.applications, comma-separated")
    parser.add_argument("--all", action="store_true", help="every application of Keras 3 in every size")
    parser.add_argument("--size", type=int, default=96, help="side of the input in pixels")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.size)))
        return
    names = options.models.split(",")
    if options.all:
        import keras

        names = [name for name, kind in vars(keras.applications).items() if name[0].isupper() and callable(kind)]
    rows = []
    if not options.json:
        print(f"{'model':20} {'parameters':>12} {'layers':>7} {'difference':>11} {'saved again':>12} {'seconds':>8}")
    for name in names:
        row = in_a_process(name, options.size)
        rows.append(row)
        if options.json:
            continue
        if "error" in row:
            print(f"{name:20} {row['error']}", flush=True)
        else:
            print(
                f"{name:20} {row['parameters']:12,} {row['layers']:7} {row['difference']:11.1e} "
                f"{row['saved_again']:12.1e} {row['seconds']:8.1f}",
                flush=True,
            )
    host = describe_host()
    carried = sum(map(is_carried, rows))
    if options.json:
        print(json.dumps({"models": rows, "carried": carried, "of": len(rows), "host": host.to_json()}, indent=1))
    else:
        print(f"{carried} of {len(rows)} carried within {TOLERANCE:g}; {host.cpu}, {host.cores} cores")
    sys.exit(carried < len(rows))


if __name__ == "__main__":
    main()
