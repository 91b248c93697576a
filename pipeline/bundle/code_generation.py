"""The Java and Kotlin of a bundle: fixed sources, and one file that holds the contract's numbers."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from pipeline.bundle import named_source
from pipeline.bundle.contract import Contract
from pipeline.bundle.literals import comment, string
from pipeline.bundle.source_values import image_values, scaling, tensor
from pipeline.errors import InputError

PACKAGE = "dev.kerasint8.contract"
LANGUAGES = {"java": ".java", "kotlin": ".kt"}

HERE = Path(__file__).parent
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
    main_sources, test_sources = _sources(contract)
    written: dict[str, str] = {}
    for language, suffix in LANGUAGES.items():
        folder = HERE / language
        main = {name: (folder / f"{name}{suffix}").read_text(encoding="utf-8") for name in main_sources}
        values = {
            "name": comment(contract.name),
            "model_file": string(model_file),
            "model_sha256": string(model_sha256),
        }
        if contract.simple:
            main["Contract"] = _simple(contract, folder, suffix, values)
        else:
            main["Contract"] = named_source.write(contract, folder, suffix, values)
        test = {name: (folder / f"{name}{suffix}").read_text(encoding="utf-8") for name in test_sources}
        for place, files in ((f"{language}/main", main), (f"{language}/test", test)):
            for name, text in files.items():
                path = f"{place}/{package.replace('.', '/')}/{name}{suffix}"
                written[path] = text.replace(f"package {PACKAGE}", f"package {package}", 1)
    return written


def _sources(contract: Contract) -> tuple[list[str], list[str]]:
    """The fixed sources that a contract needs, and those of its tests."""
    kinds = {source.kind for source in contract.inputs}
    image = ["Image", "Resize"] if "image" in kinds else []
    if contract.simple:
        tests = ["ImageContractTest"] if image else []
        return ["Tensor", "Scaling", "Classes", *image], ["Resources", "Golden", "ContractTest", *tests]
    main, tests = ["Tensor", "Scaling", "Preparation", "Classes", *image], ["Resources", "Vectors", "NamedTensorsTest"]
    if image:
        tests.append("NamedImagesTest")
    if "audio" in kinds:
        main.append("Audio")
        tests.append("NamedSoundsTest")
    if contract.located is not None and contract.located.sources:
        main += contract.located.sources
        tests += ["Answers", contract.located.test]
    return main, tests


def _simple(contract: Contract, folder: Path, suffix: str, values: dict[str, str]) -> str:
    filled: dict[str, object] = {**values, **_values(contract, suffix)}
    image = ""
    if contract.inputs[0].kind == "image":
        image = Template((folder / "Contract.image.template").read_text(encoding="utf-8")).substitute(filled)
    template = Template((folder / f"Contract{suffix}.template").read_text(encoding="utf-8"))
    return template.substitute(filled, image=image)


_LABELS = {True: "the lines of labels.txt", False: "a name a class; their numbers where there are none"}


def _values(contract: Contract, suffix: str) -> dict[str, object]:
    (source,), (target,) = contract.inputs, contract.outputs
    image = source.kind == "image"
    make = "Contract.input(Image.ofArgb(argb, height, width))" if image else "Contract.encode(values)"
    declare, end = ("ByteBuffer ", ";") if suffix == ".java" else ("val ", "")
    usage = [
        f"{declare}input = {make}{end}",
        f"{declare}output = Contract.OUTPUT.allocate(){end}",
        f"interpreter.run(input, output){end}",
        f"Contract.top(output, labels, 5){end}  // labels: {_LABELS[bool(contract.labels)]}",
    ]
    values: dict[str, object] = {
        "usage": "\n".join(f" * {line}" for line in usage),
        "channels": source.tensor.shape[-1],
        "activated": "true" if target.ending != "none" else "false",
        **scaling(source),
        **{f"input_{key}": value for key, value in tensor(source.tensor).items()},
        **{f"output_{key}": value for key, value in tensor(target.tensor).items()},
    }
    return values | (image_values(source) if image else {})
