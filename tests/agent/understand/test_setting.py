"""Settings: devices, properties, deployment, deliverables and facts about the data."""

import pytest

from autoagent.agent.understand import understand


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        ("no GPU here", "constraints.device_train", "cpu"),
        ("device: CPU", "constraints.device_train", "cpu"),
        ("on gpu", "constraints.device_train", "gpu"),
        ("serve on cpu", "constraints.device_infer", "cpu"),
        ("must be interpretabel", "constraints.interpretable", True),
        ("doctors must be able to understand it", "constraints.interpretable", True),
        ("without internet", "constraints.offline", True),
        ("export to ONNX", "deploy.format", "onnx"),
        ("for a Raspberry Pi 4", "deploy.target", "raspberry_pi"),
        ("feature importances please", "outputs", ["feature_importance"]),
        ("we have 12k rows", "data.n_rows", 12000),
        ("classify mails into spam and ham", "data.classes", ["spam", "ham"]),
        ("only use rows where country is DE", "data.row_filter", "country is DE"),
        ("sensors at 50 Hz", "data.sampling_hz", 50),
        ("it runs on the plant's CPU", "constraints.device_infer", "cpu"),
        ("a clerk has to explain why", "constraints.interpretable", True),
        ("every refusal can be justified; each decision can be explained", "constraints.interpretable", True),
        ("the phone has no network", "constraints.offline", True),
        ("the staff can see why", "constraints.interpretable", True),
        ("the annotations are COCO polygons", "data.annotation_format", "coco"),
        ("tags are BIO", "data.tag_scheme", "bio"),
        ("we have 3,000 patient records", "data.n_rows", 3000),
        ("pictures in folders by breed", "data.layout", "folder_per_class"),
        ("only look at the orders where status is open", "data.row_filter", "status is open"),
        ("annotations are in COCO", "data.annotation_format", "coco"),
    ],
)
def test_a_setting_is_read(words: str, key: str, value: object) -> None:
    assert understand(f"predict y_1, {words}").spec.stated()[key] == value


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("no need for onnx", "deploy.format"),
        ("it need not be interpretable", "constraints.interpretable"),
        ("interpretability does not matter", "constraints.interpretable"),
    ],
)
def test_a_denied_setting_is_not_stated(words: str, key: str) -> None:
    assert key not in understand(f"predict y_1, {words}").spec.stated()
