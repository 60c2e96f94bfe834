"""Requests for boxes, masks, joints and texts: the task, its metric and its files."""

import pytest

from autoagent.agent.spec import Value
from autoagent.agent.understand import ColumnEvidence, DataEvidence, understand

REVIEWS = DataEvidence(
    (
        ColumnEvidence("title", "text", 900),
        ColumnEvidence("text", "text", 900),
        ColumnEvidence("stars", "numeric", 5, integral=True),
    ),
    1000,
)
SALES = DataEvidence(
    (
        ColumnEvidence("date", "date", 900),
        ColumnEvidence("store", "categorical", 3),
        ColumnEvidence("revenue", "numeric", 900),
    ),
    1000,
)


def stated(sentence: str, evidence: DataEvidence | None = None) -> dict[str, Value]:
    understood = understand(sentence, evidence=evidence)
    assert understood.spec.clarify == []
    return understood.spec.stated()


def test_boxes_in_coco_are_understood() -> None:
    assert stated("boxes around helmets and vests, COCO file labels.json, mAP") == {
        "task_type": "object_detection",
        "data.annotations": "labels.json",
        "data.annotation_format": "coco",
        "metric.name": "map",
    }


def test_masks_beside_the_pictures_are_understood() -> None:
    found = stated("mark every cell, masks beside the images, mean IoU")
    assert found == {"task_type": "semantic_segmentation", "metric.name": "miou"}


def test_joints_are_understood() -> None:
    found = stated("seventeen body joints, PCK")
    assert found == {"task_type": "keypoint_detection", "data.n_keypoints": 17, "metric.name": "pck"}


def test_texts_are_understood() -> None:
    assert stated("stars from title and text, weighted F1", REVIEWS) == {
        "data.target": "stars",
        "data.text_fields": ["title", "text"],
        "metric.name": "weighted_f1",
    }


def test_series_are_understood() -> None:
    assert stated("the next 14 days of revenue for every store, MASE against the week before", SALES) == {
        "task_type": "forecasting",
        "data.target": "revenue",
        "data.series_keys": ["store"],
        "metric.name": "mase",
        "metric.params.season": "week",
        "horizon.steps": 14,
        "horizon.freq": "day",
    }


@pytest.mark.parametrize(
    ("sentence", "task"),
    [
        ("draw a rectangle around each sheep", "object_detection"),
        ("boxes for every car, mAP@0.5", "object_detection"),
        ("outline the lake in each tile, mIoU", "semantic_segmentation"),
        ("one mask per apple", "instance_segmentation"),
        ("29 hand joints", "keypoint_detection"),
        ("BIO tags for drug names", "token_classification"),
        ("which churn group, box plots please, accuracy", None),
    ],
)
def test_pictures_are_told_apart_by_their_words(sentence: str, task: str | None) -> None:
    found = understand(sentence).spec.task_type
    assert found == task if task else found not in ("object_detection", "semantic_segmentation")


@pytest.mark.parametrize("metric", ["mAP", "mIoU", "PCK@0.2", "silhouette", "MASE"])
def test_a_metric_of_one_task_infers_that_task(metric: str) -> None:
    assert "task_type" in understand(f"do your best, {metric}").inferred
