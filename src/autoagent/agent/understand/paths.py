"""Files and folders that the request names: the data, its labels, its annotations."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoagent.agent.understand.finding import Finding
from autoagent.agent.understand.sentence import Sentence

_FILE = re.compile(
    r"(?<![\w/.~-])(?:[\w.~-]*/)*[\w.-]+\.(?:csv|tsv|parquet|jsonl?|xlsx|npz|zip|feather|arff|txt|tar|h5|pkl|avro|orc)\b|(?<![\w/])(?:\.{0,2}/|~/|s3://|gs://)[\w.-]*\w[\w./-]*|(?<![\w/])(?!and/|or/|he/|yes/|his/|w/)(?:[\w.-]+/)+(?=[\s,.;:)!?\"]|$)"
)
_ANNOTATED = re.compile(r"\b(?:annotat\w+|coco|voc|yolo|box(?:es)?|masks?|polygons?|key ?points?)\b")
_LABELLED = re.compile(r"\blabels?\b")


def read_path(sentence: Sentence) -> Iterator[Finding]:
    """Find a file or folder."""
    for i, match in enumerate(sentence.find(_FILE)):
        before = sentence.before(match.start(), width=30)
        near = f"{sentence.before(match.start(), width=60)} | {sentence.after(match.end(), width=25)}"
        if i and re.search(r"\b(?:save|write|export|store|put|output|give me|produce)\b[^.,;]{0,40}$", before):
            continue
        if match[0].endswith((".json", ".xml")) and (_ANNOTATED.search(near) or "annot" in match[0]):
            key = "data.annotations"
        elif re.search(r"\blabels?\b|_labels?|labels?_", match[0]):
            key = "data.labels"
        elif re.search(r"\b(?:labels?|annotations?)\b(?: \w+){0,2}[^.,]{0,14}$", before):
            key = "data.annotations" if "annotation" in before else "data.labels"
        elif _folder(match[0]) and re.search(r"\bmasks?\b[^.,;]{0,20}$", before):
            continue
        elif _is_first_path(sentence, i, match) and not re.search(
            r"\b(?:save|write|export|store|put|output)\b[^.,]{0,25}$", before
        ):
            key = "data.path"
        else:
            continue
        yield Finding(key, sentence.words(*match.span()), *match.span())


def _folder(path: str) -> bool:
    return path.endswith("/")


def _is_first_path(sentence: Sentence, i: int, match: re.Match[str]) -> bool:
    """Say whether no earlier path of the request can be the data's own; files of labels and annotations are not."""
    earlier = list(sentence.find(_FILE))[:i]
    return all(
        other[0].endswith((".json", ".xml")) or _LABELLED.search(sentence.before(other.start(), width=30))
        for other in earlier
    )
