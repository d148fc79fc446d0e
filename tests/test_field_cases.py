"""Every case from the field beside the project has a test: a row that is added to the table needs one."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CASES = TESTS.parents[1] / "shared" / "cases"

COVERED = {
    "one MakeHuman head": "faces/test_finder.py::test_small_faces_are_found_beside_a_large_one",
    "40 heads of 220 px": "cli/test_analyze.py::test_a_count_that_max_faces_cuts_is_said_in_every_format",
    "one face 90 px high": "faces/test_finder.py::test_one_face_in_a_panorama",
    "the bundled portrait with": "faces/test_visibility.py::test_a_mask_hides_the_mouth_and_gives_no_label",
    "a drawing, a dog": "faces/test_visibility.py::test_nothing_of_a_drawn_face_is_measured",
    "a folder with one JPEG": "cli/test_analyze_folders.py::test_heic_without_the_extra_is_named",
    "a TIFF-based": "files/test_formats.py::test_a_raw_file_that_is_a_tiff_is_not_read_for_its_thumbnail",
    "an animated GIF or WebP": "files/test_frames.py::test_it_is_analyzed_at_the_first_frame_with_a_face",
    "folders below an analysed": "cli/test_analyze_folders.py::test_links_to_folders_are_followed_once",
    "the `--overlay` folder": "cli/test_analyze_folders.py::test_our_own_pictures_are_never_analyzed_again",
    "a video": "files/test_formats.py::test_a_video_comes_with_the_command_that_takes_pictures_out_of_it",
    "FER-2013 as one CSV": "data/test_fer2013.py::test_votes_beside_the_pixels_are_joined_by_their_order",
    "`fer2013new.csv` alone": "data/test_fer2013.py::test_votes_alone_say_what_they_lack",
    "class folders with a name": "cli/test_data.py::test_a_misspelt_class_is_asked_about_and_gives_code_3",
    "AffectNet as YOLO": "data/test_yolo.py::test_numbers_are_read_by_the_names_beside_them",
    "RAF-DB's list with tabs": "data/test_rafdb.py::test_the_label_is_the_second_column_whatever_parts_them",
    "AffectNet `*_exp.npy`": "data/test_affectnet.py::test_annotations_of_any_number_type_are_read",
    "`labels.csv` in cp1252": "data/test_csv_table.py::test_labels_as_spreadsheets_save_them",
    "CK+, JAFFE, KDEF": "data/test_laboratory.py::test_jaffe_is_read_by_its_names",
}  # fmt: skip
"""How a row of a table begins -> a test of it; more stand around it."""

TEXTS = {
    "`of_semicolon.csv`": "faces/test_au_tables.py::test_dialects_from_the_field",
    "`libreface.csv`": "faces/test_au_tables.py::test_tables_from_the_field",
    "`u2028.jsonl`": "files/test_tabular.py::test_only_line_feeds_end_a_json_line",
    "An output of `expllm analyze`": "cli/test_roundtrip.py::test_cot_make",
    "Real py-feat 2.1.5": "cli/test_analyze_formats.py",
    "Every sample failed": "cli/test_endings.py::test_evaluations",
    "Without torch": "cli/test_without_packages.py::test_without_torch_every_command_says_what_to_install",
    "`expllm doctor` looks": "cli/test_doctor.py::test_the_model_that_ships",
    "A home folder": "cli/test_home.py::test_what_keeps_files_of_its_own",
}
"""What is said in sentences."""


def page() -> str:
    if not CASES.is_dir():
        pytest.skip("needs ../shared/cases, which is not here")
    return (CASES / "README.md").read_text("utf-8")


@pytest.mark.parametrize("place", sorted({*COVERED.values(), *TEXTS.values()}))
def test_the_tests_that_are_named_exist(place: str) -> None:
    path, _, name = place.partition("::")
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    assert not name or name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_of_a_table_has_one() -> None:
    lines = page().splitlines()
    heads = {number for number, line in enumerate(lines) if line.startswith("| ---")}
    rows = [
        line.removeprefix("| ")
        for number, line in enumerate(lines)
        if line.startswith("| ") and number not in heads and number + 1 not in heads
    ]
    assert [row for row in rows if not row.startswith(tuple(COVERED))] == []
    assert len(rows) == len(COVERED)


def test_every_sentence_has_one() -> None:
    text = page()
    assert [beginning for beginning in TEXTS if beginning not in text] == []


def test_every_table_is_read_by_a_test() -> None:
    page()
    read = (TESTS / "faces" / "test_au_tables.py").read_text("utf-8")
    assert [path.name for path in (CASES / "tables").iterdir() if path.stem not in read] == []
