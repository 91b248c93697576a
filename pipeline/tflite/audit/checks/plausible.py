"""Does the model run on what it will be given one day: a black picture, silence, a constant, noise?"""

from __future__ import annotations

from pipeline.finding import Finding
from pipeline.tflite.audit.subject import Subject

CHECK = "plausible inputs"


def check(subject: Subject) -> list[Finding]:
    found = subject.plausible
    if found is None or not found.bad:
        return []
    return [
        Finding(
            CHECK,
            "error",
            f"The model {found.sentence}.",
            "An app that shows it such an input gets no answer, or is ended.",
            "Keep that operator in float (`pipeline export --keep`), or build the model so that it cannot divide by "
            "zero, nor look beyond a table.",
            {"inputs": dict(found.bad), "operator": None if found.culprit is None else vars(found.culprit)},
        )
    ]
