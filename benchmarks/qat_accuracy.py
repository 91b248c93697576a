"""What QAT gives beside PTQ, from the same trained model, on the recipe's test split.

    python benchmarks/qat_accuracy.py mobilenet
    python benchmarks/qat_accuracy.py resnet8_cifar10 --set model.path=FILE.h5 --set data.path=FILE.npz

Both in one process, each in a run folder of its own under a temporary folder, or under `--keep FOLDER`, where
what is done already is not done again; the float training is done once.
Prints top-1, the paired difference to float with its 95 % interval, agreement with float, and for QAT how many answers
the int8 file shares with the fake-quant model.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline import recipe as recipes
from pipeline.benchmarking.host import describe_host
from pipeline.workflow import stages
from pipeline.workflow.run_folder import Run


def line(name: str, block: dict[str, Any]) -> str:
    difference = block["difference"]
    against = (
        f"{100 * difference['value']:+.1f} [{100 * difference['low']:+.1f} {100 * difference['high']:+.1f}]"
        if difference
        else ""
    )
    parity = block.get("parity")
    same = f"{100 * parity['agreement']:.1f} %" if parity else ""
    return f"{name:10} {100 * block['top1']:6.1f} % {against:>20} {100 * block['agreement']:8.1f} % {same:>12}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the run folders here, and go on with them")
    options = parser.parse_args()
    recipe = recipes.load(options.recipe, options.set)
    with contextlib.nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        ptq = stages.run_recipe(stages.RunContext(recipe, Run(Path(folder) / recipe.name)), ptq=True)
        between = time.perf_counter()
        # The folder's own name: it takes over the float model that was trained there.
        qat = stages.run_recipe(stages.RunContext(recipe, Run(Path(folder) / f"{recipe.name}-qat")))
        ended = time.perf_counter()
    host = describe_host()
    print(f"{recipe.name}: {ptq['float']['n']} test examples; {host.cpu} ({', '.join(host.int8)}), {host.cores} cores")
    print(f"{'':10} {'top-1':>8} {'vs float, points':>20} {'agreement':>10} {'as trained':>12}")
    print(line("float", ptq["float"]))
    print(line("PTQ int8", ptq["int8"]))
    print(line("QAT int8", qat["int8"]))
    print(f"float training and PTQ {between - started:.0f} s, QAT {ended - between:.0f} s")


if __name__ == "__main__":
    main()
