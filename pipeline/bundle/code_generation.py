"""The Java and Kotlin of a bundle: fixed sources, and one file that holds the contract's numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Template

import numpy as np

from pipeline.bundle.contract import Contract
from pipeline.errors import InputError
from pipeline.tflite.inspect import Port

PACKAGE = "dev.kerasint8.contract"
LANGUAGES = {"java": ".java", "kotlin": ".kt"}

_HERE = Path(__file__).parent
_SOURCES = ("Tensor", "Scaling", "Classes")
_IMAGE_SOURCES = ("Image", "Resize")
_TESTS = ("Golden", "ContractTest")
_IMAGE_TESTS = ("ImageContractTest",)
_SCALINGS = {"-1..1": "MINUS_ONE_TO_ONE", "0..1": "ZERO_TO_ONE", "raw": "RAW", "mean_std": "MEAN_STD"}
_PACKAGE_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        """
        abstract as assert boolean break byte case catch char class const continue default do double else enum extends
        final finally float for fun goto if implements import in instanceof int interface is long native new null object
        package private protected public return short static strictfp super switch synchronized this throw throws
        transient true try typealias typeof val var void volatile when while false""",
    )
)


def check_package(package: str) -> str:
    """The package name itself.

    Raises:
        InputError: Java or Kotlin would not take it.
    """
    if not _PACKAGE_NAME.fullmatch(package) or _KEYWORDS & set(package.split(".")):
        raise InputError(
            f"--package takes a Java package such as com.example.app, in lower case, without keywords, not '{package}'."
        )
    return package


def write(contract: Contract, model_file: str, model_sha256: str, package: str) -> dict[str, str]:
    """The files' content by their path in the bundle: `java/…`, `kotlin/…` and, beside them, their tests.

    Args:
        contract: Whose numbers are written.
        model_file: The model's name in the bundle.
        model_sha256: Of the model.
        package: The package they are put into.
    """
    written: dict[str, str] = {}
    for language, suffix in LANGUAGES.items():
        folder = _HERE / language
        main = {name: (folder / f"{name}{suffix}").read_text(encoding="utf-8") for name in _names(contract)}
        main["Contract"] = _contract(contract, folder, suffix, model_file, model_sha256)
        tests = [*_TESTS, *(_IMAGE_TESTS if contract.image else ())]
        test = {name: (folder / f"{name}{suffix}").read_text(encoding="utf-8") for name in tests}
        for place, files in ((f"{language}/main", main), (f"{language}/test", test)):
            for name, text in files.items():
                path = f"{place}/{package.replace('.', '/')}/{name}{suffix}"
                written[path] = text.replace(f"package {PACKAGE}", f"package {package}", 1)
    return written


def _names(contract: Contract) -> tuple[str, ...]:
    return (*_SOURCES, *(_IMAGE_SOURCES if contract.image else ()))


def _contract(contract: Contract, folder: Path, suffix: str, model_file: str, model_sha256: str) -> str:
    values = _values(contract, model_file, model_sha256, suffix)
    image = ""
    if contract.image:
        image = Template((folder / "Contract.image.template").read_text(encoding="utf-8")).substitute(values)
    template = Template((folder / f"Contract{suffix}.template").read_text(encoding="utf-8"))
    return template.substitute(values, image=image)


def _values(contract: Contract, model_file: str, model_sha256: str, suffix: str) -> dict[str, object]:
    recipe = contract.preprocess
    shape = contract.input.shape
    make = "Contract.input(Image.ofArgb(argb, height, width))" if contract.image else "Contract.encode(values)"
    declare, end = ("ByteBuffer ", ";") if suffix == ".java" else ("val ", "")
    usage = [
        f"{declare}input = {make}{end}",
        f"{declare}output = Contract.OUTPUT.allocate(){end}",
        f"interpreter.run(input, output){end}",
        f"Contract.top(output, labels, 5){end}  // labels: the lines of labels.txt",
    ]
    values: dict[str, object] = {
        "name": _comment(contract.name),
        "usage": "\n".join(f" * {line}" for line in usage),
        "model_file": _string(model_file),
        "model_sha256": _string(model_sha256),
        "channels": shape[-1],
        "activated": "true" if contract.ending != "none" else "false",
        "scaling": _SCALINGS[recipe.scale],
        "mean": ", ".join(map(_float, recipe.mean or (0.0,))),
        "std": ", ".join(map(_float, recipe.std or (1.0,))),
        **_tensor("input", contract.input),
        **_tensor("output", contract.output),
    }
    if contract.image:
        how = f"{recipe.resize}, {recipe.fit}" if contract.resize_known else "how it was trained is not recorded"
        values |= {
            "height": shape[1],
            "width": shape[2],
            "method": recipe.resize.upper(),
            "fit": recipe.fit.upper(),
            "preparation": f"{shape[1]}x{shape[2]}, {how}",
        }
    return values


def _tensor(name: str, port: Port) -> dict[str, object]:
    quantized = port.dtype != "float32"
    return {
        f"{name}_shape": list(port.shape),
        f"{name}_type": port.dtype.upper(),
        f"{name}_size": int(np.prod(port.shape)),
        f"{name}_scale": _float(port.scale if quantized and port.scale is not None else 1.0),
        f"{name}_zero_point": port.zero_point if quantized else 0,
    }


def _float(value: float) -> str:
    """The shortest decimal that reads back as the same float32, as both languages take it."""
    return f"{np.float32(value)!s}f"


def _string(text: str) -> str:
    """A literal; a dollar would begin a template in Kotlin."""
    return json.dumps(text).replace("$", "\\u0024")


def _comment(text: str) -> str:
    return " ".join(text.split()).replace("*/", "* /").replace("/*", "/ *").replace("\\u", "\\ u")
