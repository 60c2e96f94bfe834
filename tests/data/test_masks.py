"""Masks beside images: how they are found, what their values mean, and what is left out or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autoagent.data.images.folders import find
from autoagent.data.images.mask_values import IGNORED, read_mask
from autoagent.data.images.masks import MaskedImages, find_masks, masks_of_table
from autoagent.data.readers import read_table
from autoagent.errors import DataError
from autoagent.inference import InputError

Image = pytest.importorskip("PIL.Image")
SIZE = (18, 14)  # height, width


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*SIZE, 3)).astype(np.uint8)


def square(inside: Any, outside: Any = 0, dtype: Any = np.uint8) -> np.ndarray:
    """Return a mask with a square in it, of one value or one colour."""
    mask = np.empty((*SIZE, *np.shape(outside)), dtype)
    mask[:], mask[4:10, 3:9] = outside, inside
    return mask


def save(path: Path, values: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)


def folder(root: Path, masks: list[np.ndarray], image: str = "images/{}.png", mask: str = "masks/{}.png") -> Path:
    for place, one in enumerate(masks):
        save(root / image.format(place), picture(place))
        save(root / mask.format(place), one)
    return root


def found(root: Path) -> MaskedImages:
    masked = find_masks(root, find(root))
    assert masked is not None
    return masked


def codes(masked: MaskedImages, root: Path, row: int = 0, side: int = 0) -> np.ndarray:
    return read_mask(masked.frame[masked.mask][row], root, masked.coding, side)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/{}.png", "masks/{}.png"),
        ("images/{}.png", "masks/{}_mask.png"),
        ("train/images/{}.png", "train/labels/{}.png"),
        ("{}.png", "masks/{}.png"),
        ("{}.png", "{}_mask.png"),
        ("{}.png", "{}.mask.png"),
        ("a/{}_image.png", "a/{}_label.png"),
        ("JPEGImages/{}.jpg", "SegmentationClass/{}.png"),
    ],
)
def test_masks_are_found_beside_their_images(tmp_path: Path, image: str, mask: str) -> None:
    masked = found(folder(tmp_path, [square(255) for _ in range(4)], image, mask))
    wanted = [(image.format(place), mask.format(place)) for place in range(4)]
    assert list(zip(masked.frame["image"], masked.frame["mask"], strict=True)) == wanted
    assert masked.classes == ("background", "class 1")
    assert set(masked.facts) == {image.format(place) for place in range(4)}


def test_folders_of_classes_are_no_masks_even_where_one_is_called_so(tmp_path: Path) -> None:
    for place in range(4):
        save(tmp_path / f"mask/{place}.png", picture(place))
        save(tmp_path / f"no_mask/{place + 10}.png", picture(place))
    assert find_masks(tmp_path, find(tmp_path)) is None


def test_folders_of_images_and_masks_are_not_read_as_two_classes(tmp_path: Path) -> None:
    table = read_table(folder(tmp_path, [square(255) for _ in range(4)]))
    assert table.targets is not None
    assert (table.default_target, table.targets.structure.classes) == ("mask", ("background", "class 1"))
    assert table.targets.truth.shape == (4, 18, 18)
    assert table.targets.truth.max() == 1
    rows = "\n".join(f"images/{place}.png,{'ab'[place % 2]}" for place in range(4))
    (tmp_path / "labels.csv").write_text(f"image,kind\n{rows}\n")
    assert read_table(tmp_path).frame["kind"].tolist() == ["a", "b", "a", "b"]  # a table says what is wanted


def test_a_table_of_two_paths_names_images_and_masks(tmp_path: Path) -> None:
    folder(tmp_path, [square(255) for _ in range(3)], "x/{}.png", "y/{}.png")
    frame = pd.DataFrame({"truth": [f"y/{i}.png" for i in range(3)], "photo": [f"x/{i}.png" for i in range(3)]})
    masked = masks_of_table(frame.assign(site=[1, 2, 3]), tmp_path)
    assert masked is not None
    assert (masked.image, masked.mask) == ("photo", "truth")
    assert masked.frame["site"].tolist() == [1, 2, 3]
    assert masks_of_table(frame[["photo"]], tmp_path) is None


def test_class_codes_stay_and_255_beside_them_is_ignored(tmp_path: Path) -> None:
    masked = found(folder(tmp_path, [square(2), square(1, 255), square(255)]))
    assert masked.coding.values == ((0,), (1,), (2,))
    assert masked.coding.ignored == ((255,),)
    assert masked.classes == ("background", "class 1", "class 2")
    assert any("255 are marked as ignored" in note for note in masked.notes)
    assert set(np.unique(codes(masked, tmp_path, 1))) == {1, IGNORED}


def test_white_on_black_is_a_class_and_not_ignored(tmp_path: Path) -> None:
    masked = found(folder(tmp_path, [square(255), square(0)]))
    assert masked.coding.ignored == ()
    np.testing.assert_array_equal(codes(masked, tmp_path), square(1))
    assert any("255 is 1" in note for note in masked.notes)


def test_colours_become_classes_with_the_names_of_their_table(tmp_path: Path) -> None:
    red, blue = (255, 0, 0), (0, 0, 255)
    folder(tmp_path, [square(red, (0, 0, 0)), square(blue, (0, 0, 0))])
    assert found(tmp_path).classes == ("background", "class #0000ff", "class #ff0000")
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\nroad,255,0,0\nsky,0,0,255\nunlabelled,0,0,0\n")
    masked = found(tmp_path)
    assert masked.classes == ("sky", "road")
    assert masked.coding.ignored == ((0, 0, 0),)
    np.testing.assert_array_equal(codes(masked, tmp_path), square(1, IGNORED))


@pytest.mark.parametrize(
    "text", ["soil\nleaf\n", "leaf\n", "0 soil\n7 leaf\n", "soil:0\nleaf:7\n", "name,value\nsoil,0\nleaf,7\n"]
)
def test_names_are_read_by_line_or_by_value(tmp_path: Path, text: str) -> None:
    folder(tmp_path, [square(7), square(7)])
    (tmp_path / "classes.txt").write_text(text)
    assert found(tmp_path).classes[1] == "leaf"


def test_names_that_do_not_fit_are_told_and_not_used(tmp_path: Path) -> None:
    folder(tmp_path, [square(7), square(7)])
    (tmp_path / "classes.txt").write_text("one\ntwo\nthree\nfour\n")
    masked = found(tmp_path)
    assert masked.classes == ("background", "class 1")
    assert any("names 4 classes that do not fit" in note for note in masked.notes)


def indexed(values: np.ndarray, palette: list[int]) -> Any:
    image = Image.fromarray(values).convert("L").convert("P")
    image = Image.frombytes("P", (SIZE[1], SIZE[0]), values.tobytes())
    image.putpalette(palette)
    return image


def test_an_index_is_the_class_where_all_files_share_their_palette(tmp_path: Path) -> None:
    folder(tmp_path, [square(1)] * 2)
    for place, value in enumerate((1, 2)):
        indexed(square(value), [0, 0, 0, 128, 0, 0, 0, 128, 0]).save(tmp_path / f"masks/{place}.png")
    masked = found(tmp_path)
    assert masked.coding.kind == "index"
    np.testing.assert_array_equal(codes(masked, tmp_path, 1), square(2))


def test_an_index_is_only_a_colour_where_palettes_differ(tmp_path: Path) -> None:
    folder(tmp_path, [square(1)] * 2)
    indexed(square(1), [0, 0, 0, 128, 0, 0]).save(tmp_path / "masks/0.png")
    indexed(square(0, 1), [128, 0, 0, 0, 0, 0]).save(tmp_path / "masks/1.png")
    masked = found(tmp_path)
    assert masked.coding.kind == "colour"
    np.testing.assert_array_equal(codes(masked, tmp_path, 0), codes(masked, tmp_path, 1))


def test_numbered_objects_are_one_class(tmp_path: Path) -> None:
    masks = []
    for most in (12, 10, 11):
        mask = np.zeros(SIZE, np.uint16)
        for number in range(most):
            row, column = 4 * (number // 4), 3 * (number % 4)
            mask[row : row + 2, column : column + 2] = number + 1
        masks.append(mask)
    masked = found(folder(tmp_path, masks))
    assert masked.coding.kind == "objects"
    assert masked.classes == ("background", "class 1")
    np.testing.assert_array_equal(codes(masked, tmp_path), masks[0] > 0)
    assert any("number their objects" in note for note in masked.notes)


def test_a_folder_of_masks_is_one_for_each_object(tmp_path: Path) -> None:
    for place in range(3):
        save(tmp_path / f"{place}/images/{place}.png", picture(place))
        save(tmp_path / f"{place}/masks/a.png", square(255))
        save(tmp_path / f"{place}/masks/b.png", square(0, 0) + 255 * np.eye(*SIZE, dtype=np.uint8))
    masked = found(tmp_path)
    assert masked.frame["mask"].tolist() == ["0/masks", "1/masks", "2/masks"]
    assert masked.classes == ("background", "class 1")
    np.testing.assert_array_equal(codes(masked, tmp_path), square(1) | np.eye(*SIZE, dtype=np.uint8))
    assert any("one for each object" in note for note in masked.notes)
    save(tmp_path / "0/masks/c.png", square(255)[:-1])
    with pytest.raises(InputError, match="several sizes"):
        codes(masked, tmp_path)


def test_blurred_borders_are_cut_in_the_middle(tmp_path: Path) -> None:
    mask = np.kron(square(255), np.ones((4, 4), np.uint8))
    for place in range(2):
        save(tmp_path / f"images/{place}.png", np.kron(picture(place), np.ones((4, 4, 1), np.uint8)))
        save(tmp_path / f"masks/{place}.jpg", mask, quality=80)
    masked = found(tmp_path)
    assert masked.coding.kind == "threshold"
    assert (codes(masked, tmp_path) == (mask > 127)).mean() > 0.99


def test_masks_are_pressed_into_the_square_by_the_nearest_pixel(tmp_path: Path) -> None:
    masked = found(folder(tmp_path, [square(9, 4), square(4, 4)]))
    small = codes(masked, tmp_path, side=7)
    assert small.shape == (7, 7)
    assert set(np.unique(small)) == {0, 1}
    rows, columns = ((np.arange(7) + 0.5) * SIZE[0] / 7).astype(int), ((np.arange(7) + 0.5) * SIZE[1] / 7).astype(int)
    np.testing.assert_array_equal(small, square(1)[np.ix_(rows, columns)])


def many(tmp_path: Path, n: int = 40) -> Path:
    return folder(tmp_path, [square(255) for _ in range(n)])


def test_a_few_odd_files_are_named_and_left_out(tmp_path: Path) -> None:
    root = many(tmp_path)
    save(root / "masks/3.png", square(255)[:-2])
    save(root / "masks/4.png", picture(9))
    (root / "masks/5.png").write_bytes(b"no picture")
    (root / "masks/6.png").unlink()
    save(root / "masks/77.png", square(255))
    masked = found(root)
    assert len(masked.frame) == 36
    told = " ".join(masked.notes)
    for words in (
        "'masks/3.png' is 14x16",
        "it is a photo",
        "'masks/5.png' cannot be read",
        "'images/6.png'",
        "77.png",
    ):
        assert words in told
    assert not set(masked.facts) & {f"images/{place}.png" for place in (3, 4, 5, 6)}


def test_many_missing_masks_are_an_error(tmp_path: Path) -> None:
    root = many(tmp_path, 10)
    for place in range(4):
        (root / f"masks/{place}.png").unlink()
    with pytest.raises(DataError, match=r"4 of 10 images .* have no mask"):
        found(root)


def test_masks_of_another_size_are_an_error(tmp_path: Path) -> None:
    root = many(tmp_path, 5)
    for place in range(5):
        save(root / f"masks/{place}.png", square(255)[:-1])
    with pytest.raises(DataError, match=r"5 of 5 images with masks cannot be used: the mask .* is 14x17 pixels"):
        found(root)


def test_photos_for_masks_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a photo, not a mask"):
        found(folder(tmp_path, [picture(place) for place in range(4)]))


def test_masks_of_one_value_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one value only"):
        found(folder(tmp_path, [square(3, 3)] * 3))


def test_masks_whose_names_fit_no_image_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none has the name of an image"):
        found(folder(tmp_path, [square(255)] * 3, mask="masks/other{}.png"))


def test_paths_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    folder(inside, [square(255)] * 3)
    save(tmp_path / "secret.png", square(255))
    frame = pd.DataFrame(
        {"image": [f"images/{i}.png" for i in range(3)], "mask": ["masks/0.png", "masks/1.png", "../secret.png"]}
    )
    masked = masks_of_table(frame, inside)
    assert masked is not None
    assert len(masked.frame) == 2
    assert any("'../secret.png' is outside the folder" in note for note in masked.notes)
    with pytest.raises(InputError, match="outside"):
        read_mask("../secret.png", inside, masked.coding)
    (inside / "masks/link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match="outside"):
        read_mask("masks/link.png", inside, masked.coding)


def test_a_value_that_appears_later_is_refused(tmp_path: Path) -> None:
    masked = found(folder(tmp_path, [square(3)] * 2))
    save(tmp_path / "masks/0.png", square(5))
    with pytest.raises(InputError, match="holds the value 5"):
        codes(masked, tmp_path)
