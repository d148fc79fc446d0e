"""The page of a report: what it shows, what it hides, and what it says of both; looked at in a browser."""

import base64
import html
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evalruns import ablation, answer, drawn_faces, good, judge, save, told
from PIL import Image
from waiting import HANG_S

from expllm.core.vocabulary import Expression
from expllm.report.evaluation.evaluated_runs import read_runs
from expllm.report.evaluation.evaluation_report import WrittenReport, write_report
from expllm.report.evaluation.gallery import ENGINE_NAME, gallery
from expllm.report.evaluation.gallery_faces import PATCHES, Shown, open_faces

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
).split()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of every kind: `acc`, `tr`, `cot`, `other` (worse, over the same faces), `abl`."""
    path = tmp_path_factory.mktemp("place")
    faces = drawn_faces(path / "faces")
    good(path / "acc")
    good(path / "tr", task="transfer", dataset="expw:test")
    judge(told(path / "cot", faces, wrong=1))
    told(path / "other", faces, wrong=9, model="runs/other/model", digest="other")
    ablation(path / "abl")
    return path


@pytest.fixture(scope="module")
def whole(place: Path) -> tuple[WrittenReport, str]:
    runs = read_runs([place / name for name in ("acc", "tr", "cot", "other", "abl")])
    report = write_report(runs, place / "report.html", title="T & <b>", samples=4)
    return report, report.page.read_text()


class Tags(HTMLParser):
    """Tags that are open when the page ends, and addresses that it asks for."""

    VOID = ("meta", "img", "link", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.asked: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.asked += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_everything_is_there_and_nothing_is_asked_for(whole: tuple[WrittenReport, str]) -> None:
    report, text = whole
    assert report.left_out == ()
    page = Tags(text)
    assert page.open == []
    assert all(address.startswith("data:") for address in page.asked)
    assert "<title>T &amp; &lt;b&gt;</title>" in text
    for heading in ("Table I.", "Table II.", "Table III.", "Table IV.", "Table V.", "All runs", "Grounding"):
        assert f"<h2>{heading}" in text, heading
        assert f"## {heading}" in report.tables.read_text(), heading
    assert text.count("image/svg+xml") == 6, "three plots of each run of labels"
    assert report.tables == report.page.with_suffix(".md")


def test_what_is_absent_is_left_out_and_said(place: Path, tmp_path: Path) -> None:
    report = write_report(read_runs([place / "acc"]), tmp_path / "r.html")
    text = report.page.read_text()
    assert [line.split(",")[0] for line in report.left_out[:4]] == [
        "Table II",
        "Table III",
        "Table IV",
        "Table V",
    ]
    assert "gallery" in report.left_out[-1]
    for line in report.left_out:
        assert line in html.unescape(text)
        assert line.split(":")[0] in report.tables.read_text()
    assert "Table II." not in text


def test_an_alarm_is_on_top(tmp_path: Path) -> None:
    run = save(tmp_path / "a", [answer(f"s{n}", "fear" if n % 3 else "anger", "anger") for n in range(60)])
    text = write_report(read_runs([run]), tmp_path / "r.html").page.read_text()
    assert "Alarm:</strong> small on RAF-DB: the model answers one class only" in text
    assert text.index("Alarm:") < text.index("Table I.")


def test_the_gallery_takes_classes_in_turn_and_both_models(place: Path) -> None:
    found = gallery(read_runs([place / name for name in ("acc", "cot", "other")]), 6)
    assert found is not None
    assert found.writers == (ENGINE_NAME, "small", "other")
    assert [exhibit.truth.value for exhibit in found.exhibits] == ["happiness", "fear", "anger"] * 2
    engine, _, other = found.exhibits[0].told
    assert (engine.label, other.label) == (Expression.HAPPINESS, Expression.SURPRISE)
    again = gallery(read_runs([place / name for name in ("cot", "other")]), 6)
    assert again is not None
    assert again.exhibits == found.exhibits, "the same faces every time"
    assert gallery(read_runs([place / "acc"]), 6) is None
    assert gallery(read_runs([place / "cot"]), 0) is None
    alone = gallery(read_runs([place / "other"]), 2)
    assert alone is not None
    assert alone.writers == (ENGINE_NAME, "other")


def test_right_and_wrong_are_words_too(whole: tuple[WrittenReport, str]) -> None:
    _, text = whole
    assert re.search(r'<p class="verdict right">\N{CHECK MARK} concludes happiness: right</p>', text)
    assert re.search(r'<p class="verdict wrong">\N{BALLOT X} concludes surprise: wrong</p>', text)
    assert '<b class="emotion">happiness</b>' in text
    assert '<mark class="supported"' in text
    assert "claims are supported by the action units" in text


def test_texts_of_a_model_are_not_trusted_and_not_mended(place: Path, tmp_path: Path) -> None:
    text = 'Lip corners <script>alert("x")</script> raised: it is joy \x1b[31m.'
    name = next(iter(gallery(read_runs([place / "cot"]), 1).exhibits)).id  # type: ignore[union-attr]
    run = save(
        tmp_path / "run",
        [answer(name, "happiness", "fear", text=text, problem="has <no> headings", label_after="fear")],
        task="cot",
    )
    page = write_report(read_runs([run]), tmp_path / "r.html").page.read_text()
    assert "<script>" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in page
    assert "malformed: has &lt;no&gt; headings" in page
    assert "concludes happiness: right" in page
    assert "asked for the label alone, it says fear: wrong" in page
    assert "not measurable" in page, "a face without units cannot refute anything"


def embedded(text: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_faces_are_blurred_unless_they_are_asked_for(place: Path, tmp_path: Path) -> None:
    """Six patches: the picture is what is left when it is reduced to six by six and enlarged again."""
    material = read_runs([place / "cot"])
    pictures: dict[str, list[Image.Image]] = {}
    ways: tuple[Shown, ...] = ("blur", "show", "none")
    for way in ways:
        text = write_report(material, tmp_path / f"{way}.html", samples=3, faces=way).page.read_text()
        pictures[way] = embedded(text)
        assert {"blur": "Faces are blurred.", "show": "is responsible for it", "none": "Faces are left out"}[
            way
        ] in text
    assert [len(found) for found in pictures.values()] == [3, 3, 0]
    for blurred, clear in zip(pictures["blur"], pictures["show"], strict=True):
        few = clear.resize((PATCHES, PATCHES), Image.Resampling.BOX).resize(
            clear.size, Image.Resampling.BICUBIC
        )
        near = np.abs(np.asarray(blurred, int) - np.asarray(few, int))
        assert near.mean() < 4
        assert np.abs(np.asarray(clear, int) - np.asarray(few, int)).mean() > 4


def test_a_report_can_be_made_without_the_data(place: Path, tmp_path: Path) -> None:
    faces = drawn_faces(tmp_path / "faces")
    run = told(tmp_path / "cot", faces)
    material = read_runs([run])
    found = gallery(material, 3)
    assert found is not None
    ids = [exhibit.id for exhibit in found.exhibits]
    settings = material.runs[0].settings
    assert len(open_faces(settings, ids, "blur").pictures) == 3
    (tmp_path / "faces" / ids[0]).write_bytes(b"GIF89a")
    note = open_faces(settings, ids, "blur").note
    assert "another data set now" in note
    shutil.rmtree(tmp_path / "faces")
    report = write_report(material, tmp_path / "r.html", samples=3)
    assert "Faces are left out: the data set cannot be opened" in report.page.read_text()
    assert report.page.read_text().count('class="blank"') == 3


def browse(page: Path, folder: Path, size: tuple[int, int], *flags: str) -> Image.Image:
    assert BROWSER is not None
    target = folder / "shot.png"
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--screenshot={target}",
               f"--window-size={size[0]},{size[1]}", *flags, page.as_uri()]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=HANG_S)
    return Image.open(io.BytesIO(target.read_bytes())).convert("RGB")


def near(image: Image.Image, colour: tuple[int, int, int]) -> int:
    return int((np.abs(np.asarray(image, int) - colour).max(axis=-1) < 6).sum())


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium on PATH: the page is not looked at")
def test_it_is_seen_by_day_by_night_and_on_a_phone(whole: tuple[WrittenReport, str], tmp_path: Path) -> None:
    page = whole[0].page
    by_day = browse(page, tmp_path, (1300, 6000))
    assert near(by_day, (251, 250, 247)) > 2_000_000
    assert near(by_day, (27, 110, 60)) > 100, "right labels"
    assert near(by_day, (155, 34, 38)) > 100, "wrong labels"
    by_night = browse(page, tmp_path, (1300, 6000), "--blink-settings=preferredColorScheme=0")
    assert near(by_night, (18, 23, 29)) > 2_000_000
    frame = tmp_path / "phone.html"
    frame.write_text(
        f'<body style="margin:0;background:#fff"><iframe src="{page.as_uri()}" '
        'style="border:0;width:390px;height:6000px"></iframe>'
    )
    phone = np.asarray(browse(frame, tmp_path, (500, 6000)).crop((0, 0, 390, 6000)), int)
    assert (np.abs(phone[:, 378:] - (251, 250, 247)).max(axis=-1) < 3).all(), "no scrolling sideways"
