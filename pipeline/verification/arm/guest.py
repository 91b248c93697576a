"""What runs inside the emulated ARM machine: models in, raw output bytes out. It imports nothing of this project.

    python guest.py PLAN.json

The plan names the folder of the aarch64 packages and the jobs. Inputs and outputs are files of raw bytes, example
after example, tensor after tensor. What happens is told as one JSON object a line on stdout. The invocation to count
lies between two marks: `close` of file descriptors that are never open, which the counter plugin sees.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

MARK_BEGIN, MARK_END = 0x5A5A0001, 0x5A5A0002
"""`counter.c` has them too."""


def tell(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def mark(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)


def run(job: dict[str, Any]) -> None:
    """One model: a first invocation, which sets the kernels up, then every example, the first of them counted.

    The inputs are resized to the examples' shapes first.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=job["model"], num_threads=1)
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()
    if [list(map(int, entry["shape"])) for entry in inputs] != job["shapes"]:
        for entry, shape in zip(inputs, job["shapes"], strict=True):
            interpreter.resize_tensor_input(entry["index"], shape)
        interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    examples = read(job, inputs)
    invoke = interpreter._interpreter.Invoke

    def feed(arrays: list[Any]) -> None:
        interpreter.reset_all_variables()  # an example must not see what an LSTM kept of the one before
        for entry, array in zip(inputs, arrays, strict=True):
            interpreter.set_tensor(entry["index"], array)

    feed(examples[0])
    invoke()
    tell(event="invoked")
    sizes = []
    with Path(job["outputs"]).open("wb") as file:
        for number, arrays in enumerate(examples):
            feed(arrays)
            if number == 0 and job["count"]:
                mark(MARK_BEGIN)
                invoke()
                mark(MARK_END)
            else:
                invoke()
            written = [interpreter.get_tensor(entry["index"]) for entry in outputs]
            sizes.append([array.nbytes for array in written])
            for array in written:
                file.write(array.tobytes())
            tell(event="invoked")
    nodes = [
        {"name": node["op_name"], "inputs": list(map(int, node["inputs"])), "outputs": list(map(int, node["outputs"]))}
        for node in interpreter._get_ops_details()
    ]
    tell(event="done", sizes=sizes, nodes=nodes)


def read(job: dict[str, Any], inputs: list[dict[str, Any]]) -> list[list[Any]]:
    """The examples, an array an input, from the file of raw bytes."""
    import numpy as np

    content = Path(job["inputs"]).read_bytes()
    examples, position = [], 0
    for _ in range(job["examples"]):
        arrays = []
        for entry, shape in zip(inputs, job["shapes"], strict=True):
            dtype, count = np.dtype(entry["dtype"]), math.prod(shape)
            arrays.append(np.frombuffer(content, dtype, count, position).reshape(shape))
            position += count * dtype.itemsize
        examples.append(arrays)
    if position != len(content):
        raise ValueError(f"the model takes {position} bytes and was given {len(content)}")
    return examples


def mapped_files() -> dict[str, list[int]]:
    """Where each file lies in memory: path → address of its first byte, and the end."""
    found: dict[str, list[int]] = {}
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[5].startswith("/"):
            first, end = (int(address, 16) for address in fields[0].split("-"))
            place = found.setdefault(fields[5], [first - int(fields[2], 16), end])
            place[1] = max(place[1], end)
    return found


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    sys.path.insert(0, plan["site"])
    for index, job in enumerate(plan["jobs"]):
        tell(event="job", index=index)
        run(job)
    tell(event="end", libraries=mapped_files())


if __name__ == "__main__":
    main()
