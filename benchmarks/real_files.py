"""Model files of other people: every command on each as a user would call it, and beside it the plain way to int8.

    python benchmarks/real_files.py FOLDER_OR_FILE… [--images FOLDER] [--trust] [--rows JSON] [--write PAGE]

FOLDER holds `owner/repository/path/of/the/file` and, where there is one, `owner/repository/LICENSE`. The plain way is
TFLiteConverter's int8 for a Keras file and ai-edge-quantizer's static recipe for a `.tflite`. Both sides are given the
same calibration examples and judged against the float model on the same others: photographs for a picture of three
channels where --images is given, else generated values. Exit status 1 where a command ended otherwise than done or
refused in one clear message.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.evaluation.fidelity import FidelityMeter, lowest
from pipeline.tensors import Outputs, TensorSpec
from pipeline.tflite.index_bounds import index_bounds
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- real_files: begin -->", "<!-- real_files: end -->"
KERAS = (".h5", ".hdf5", ".keras")
FAULTS = re.compile(r"Unexpected |Traceback|Aborted\.|Segmentation fault|core dumped", re.IGNORECASE)
CALIBRATION, HELD_OUT = 48, 24
RUNS = ["--runs", "5"]


@dataclass
class Row:
    """What came out of one file."""

    source: str
    licence: str
    size: int
    examples: str = ""
    here: str = "–"
    plain: str = "–"
    commands: dict[str, str] = field(default_factory=dict)
    """What did not end with exit status 0, and its message."""
    faults: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--images", type=Path, help="A folder of photographs for the models of pictures.")
    parser.add_argument("--trust", action="store_true", help="Run code that came with the Keras files.")
    parser.add_argument("--folder", type=Path, help="Where the runs are kept; a temporary folder by default.")
    parser.add_argument(
        "--rows", type=Path, help="Keeps what was measured: a file that is in it is not measured again."
    )
    parser.add_argument("--write", type=Path, help="A page whose table is replaced.")
    parser.add_argument("--plain", nargs=3, type=Path, metavar=("MODEL", "NPZ", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.plain:
        plain(*given.plain, trust=given.trust)
        return
    rows = [Row(**row) for row in json.loads(given.rows.read_text())] if given.rows and given.rows.exists() else []
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        for number, (root, path) in enumerate(model_files(given.paths)):
            if origin(path, root)[0] in {row.source for row in rows}:
                continue
            row = measure(path, root, folder / f"{number}-{path.stem}", given.images, given.trust)
            print(f"{row.source}: {row.here} | {row.plain} | {row.commands}", file=sys.stderr, flush=True)
            rows.append(row)
            if given.rows is not None:
                given.rows.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    table = as_table(sorted(rows, key=lambda row: row.source))
    print(table)
    if given.write is not None:
        page = given.write.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        given.write.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    sys.exit(1 if any(row.faults for row in rows) else 0)


def model_files(paths: Sequence[Path]) -> list[tuple[Path, Path]]:
    """(the folder that was given, a model file in it)."""
    found = []
    for path in map(Path.resolve, paths):
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        root = path if path.is_dir() else path.parent
        found += [(root, one) for one in inside if one.suffix in (*KERAS, ".tflite")]
    return found


def measure(path: Path, root: Path, folder: Path, images: Path | None, trust: bool) -> Row:
    """One file through every command; `folder` keeps what is written."""
    folder.mkdir(parents=True, exist_ok=True)
    row = Row(*origin(path, root), path.stat().st_size)
    keras, file = path.suffix in KERAS, str(path)
    own = ["--trust"] if keras and trust else []
    if keras:
        call(row, folder, ["doctor", file, *own])
    else:
        call(row, folder, ["inspect", file])
    float32 = folder / "runs" / "float" / "float32.tflite"
    if not call(row, folder, ["export", file, "--float32", "--run", "float", *own], name="export"):
        if not keras:
            for command in (["benchmark", file, *RUNS], ["explain", file, *RUNS]):
                call(row, folder, command)
        return row
    try:
        calibration, held_out, row.examples = examples(float32, images)
    except Exception as error:
        row.examples = f"none: {one_line(str(error))}".replace(f"{folder}/", "")
        return row
    np.savez(folder / "calibration.npz", **calibration)
    run = folder / "runs" / "int8"
    data = ["--data", str(folder / "calibration.npz"), "--run", "int8"]
    if call(row, folder, ["export", file, "--int8", *data, *own], name="export"):
        row.here = judged(run / "int8.tflite", float32, held_out)
        call(row, folder, ["inspect", str(run / "int8.tflite")])
        call(row, folder, ["verify", str(run / "int8.tflite"), "--reference", str(float32)])
        call(row, folder, ["benchmark", str(float32), str(run / "int8.tflite"), *RUNS])
        call(row, folder, ["explain", str(run / "int8.tflite"), "--reference", str(float32), *RUNS])
    source = path if keras else float32
    target = folder / "plain.tflite"
    done = python(folder, [__file__, *own, "--plain", str(source), str(folder / "calibration.npz"), str(target)])
    row.plain = judged(target, float32, held_out) if done.returncode == 0 else "fails: " + why(done)
    return row


def origin(path: Path, root: Path) -> tuple[str, str]:
    """Repository and path, and the licence the repository names."""
    owner, name, *_ = (*path.relative_to(root).parts[:-1], "", "")
    licence = next(iter((root / owner / name).glob("LICENSE*")), None) if name else None
    start = " ".join(licence.read_text(encoding="utf-8", errors="replace")[:600].split()) if licence else ""
    names = {"Apache License": "Apache-2.0", "MIT License": "MIT", "Redistribution and use": "BSD"}
    return path.relative_to(root).as_posix(), next((short for text, short in names.items() if text in start), "unknown")


def examples(model: Path, images: Path | None) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Inputs to calibrate with, others to judge with, and in words what they are."""
    runner = Runner(model)
    bounds = index_bounds(model)
    calibration, held_out, kinds = {}, {}, []
    for spec, bound in zip(runner.signature.inputs, bounds, strict=True):
        shape = [size if size > 0 else 64 for size in spec.shape[1:]]
        values, kind = values_of(spec, shape, bound, images)
        calibration[spec.name], held_out[spec.name] = values[:CALIBRATION], values[CALIBRATION:]
        kinds.append(kind)
    return calibration, held_out, ", ".join(dict.fromkeys(kinds))


def values_of(spec: TensorSpec, shape: list[int], bound: int, images: Path | None) -> tuple[np.ndarray, str]:
    count, own = CALIBRATION + HELD_OUT, np.dtype(spec.dtype)
    generator = np.random.default_rng(sum(map(ord, spec.name)))
    if own.kind == "f":
        if images is not None and len(shape) == 3 and shape[-1] in (1, 3, 4):
            return photographs(images, shape, count).astype(own), "photographs, −1..1"
        return waves(generator, (count, *shape)).astype(own), "generated waves and noise"
    if own.itemsize <= 2 and own.kind in "iu":
        limits = np.iinfo(own)
        noise = generator.integers(limits.min, limits.max, (count, *shape), endpoint=True)
        return noise.astype(own), "generated noise"
    return generator.integers(0, bound, (count, *shape)).astype(own), f"generated integers below {bound}"


def photographs(folder: Path, shape: list[int], count: int) -> np.ndarray:
    from PIL import Image

    files = sorted(one for one in folder.rglob("*") if one.suffix.lower() in (".jpg", ".jpeg", ".png"))
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[shape[-1]]
    files = files[:: max(1, len(files) // count)][:count]
    pictures = [np.asarray(Image.open(one).convert(mode).resize((shape[1], shape[0]))) for one in files]
    return np.stack(pictures).reshape(len(files), *shape).astype(np.float32) / 127.5 - 1


def waves(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Three waves along every axis, loud and soft examples, and noise: neither white nor constant."""
    count, *rest = shape
    values = generator.normal(0, 0.1, shape)
    for axis, size in enumerate(rest, 1):
        at = np.arange(size).reshape([-1 if place == axis else 1 for place in range(len(shape))])
        for _ in range(3):
            each = [count] + [1] * len(rest)
            turns, phase = generator.uniform(0, max(1, size / 4), each), generator.uniform(0, 2 * np.pi, each)
            values = values + generator.uniform(0, 0.5, each) * np.sin(2 * np.pi * turns * at / size + phase)
    return values


def judged(model: Path, float32: Path, held_out: dict[str, Any]) -> str:
    """Operators in int8 and SQNR of the output that is worst off."""
    try:
        expected, found, meter = Runner(float32), Runner(model), FidelityMeter()
        names = [spec.name for spec in expected.signature.inputs]
        own = [spec.name for spec in found.signature.inputs]
        by_name = set(own) == set(names)
        for place in range(HELD_OUT):
            given = {name: values[place : place + 1] for name, values in held_out.items()}
            answers = found(given if by_name else {new: given[old] for old, new in zip(names, own, strict=True)})
            meter.add(expected(given), in_order_of(expected(given), answers))
        sqnr = f"{lowest(meter.result()):.1f} dB"
    except Exception as error:
        sqnr = f"does not run: {one_line(str(error))[:160]}"
    try:
        operators = [operator for operator in inspect(model).operators if operator.compute is not None]
    except PipelineError as error:
        return f"{sqnr}, not inspected: {one_line(str(error)).replace(f'{model.parent}/', '')[:160]}"
    inside = sum(operator.compute == "int8" for operator in operators)
    return f"{sqnr}, {inside} of {len(operators)} in int8"


def in_order_of(expected: Outputs, found: Outputs) -> Outputs:
    """What another converter calls otherwise under the float model's names."""
    if set(expected.stored) == set(found.stored):
        return found
    names = dict(zip(found.stored, expected.stored, strict=True))
    stored = {names[name]: value for name, value in found.stored.items()}
    return Outputs(stored, {names[name]: spec for name, spec in found.specs.items() if name in names})


def plain(model: Path, npz: Path, target: Path, trust: bool) -> None:
    """The peers' int8 of the same file with the same examples."""
    arrays = dict(np.load(npz))
    rows = [{name: values[place : place + 1] for name, values in arrays.items()} for place in range(CALIBRATION)]
    if model.suffix in KERAS:
        from pipeline.models.backend import quiet_tensorflow, tf, tf_keras

        with quiet_tensorflow(), contextlib.redirect_stdout(io.StringIO()):
            loaded = tf_keras.models.load_model(model, compile=False, **({"safe_mode": False} if trust else {}))
            work = tf.lite.TFLiteConverter.from_keras_model(loaded)
            work.optimizations = [tf.lite.Optimize.DEFAULT]
            work.representative_dataset = lambda: (list(row.values()) for row in rows)
            work.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
            work.inference_input_type = work.inference_output_type = tf.int8
            target.write_bytes(work.convert())
        return
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer import recipe as standard

    writer = quantizer.Quantizer(str(model))
    writer.load_quantization_recipe(standard.static_wi8_ai8())
    measured = writer.calibrate({"serving_default": rows}, num_threads=1)
    target.write_bytes(bytes(writer.quantize(measured).quantized_model))


def call(row: Row, folder: Path, arguments: list[str], name: str | None = None) -> bool:
    """Run a command; whether its exit status was 0. What it said else, and a fault, go into the row."""
    done = python(folder, ["-m", "pipeline", *arguments])
    if done.returncode < 0 or done.returncode > 2 or FAULTS.search(done.stdout + done.stderr):
        row.faults += 1
        print(f"FAULT: pipeline {' '.join(arguments)}\n{done.stdout}{done.stderr}", file=sys.stderr, flush=True)
    if done.returncode != 0:
        message = why(done).replace(f"{folder}/", "").replace(f"{Path(arguments[1]).parent}/", "")
        row.commands[name or arguments[0]] = f"exit {done.returncode}: {message}"
    return done.returncode == 0


def python(folder: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    own = {"PYTHONPATH": path, "PIPELINE_RUNS": str(folder / "runs"), "COLUMNS": "600", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def why(done: subprocess.CompletedProcess[str]) -> str:
    """The last message in one line."""
    said = " ".join(done.stderr.split())
    if said:
        return one_line(said[max(0, said.find("Error: ")) :])
    findings = [line.strip() for line in done.stdout.splitlines() if re.search(r"\s{2,}error\s{2,}", line)]
    return one_line(findings[0] if findings else f"exit status {done.returncode}")


def one_line(text: str) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= 400 else text[:397] + "…"


def as_table(rows: Sequence[Row]) -> str:
    lines = ["| file | licence | size | examples | here | plain way | not done |", "|---" * 7 + "|"]
    notes: list[str] = []
    for row in rows:
        for command, message in row.commands.items():
            notes.append(f"{len(notes) + 1}. `{row.source}`, `{command}`: {message}")
        first = len(notes) - len(row.commands)
        refused = ", ".join(f"{command} ({first + place})" for place, command in enumerate(row.commands, 1)) or "–"
        size = f"{row.size / 1e6:.2f} MB" if row.size >= 1e6 else f"{row.size / 1e3:.1f} KB"
        cells = (f"`{row.source}`", row.licence, size, row.examples or "–", row.here, row.plain, refused)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *notes])


if __name__ == "__main__":
    main()
