import io
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from PIL import Image

from expllm.core.errors import ExpllmError
from expllm.core.records import Box, CoT, Explanation, FaceAnalysis, Provenance, Rejected, UnitReading
from expllm.core.vocabulary import AU_NAMES, AUSource, AUVector, Expression
from expllm.files.images import Picture
from expllm.report import HtmlReport, draw_overlay, html_page, mesh, panel, rows
from expllm.report.face_cards import face_card

HOSTILE = '"><script>alert(1)</script>\x1b[31m\udc80.png'
COT = CoT(
    key_observations="The lip corners are pulled & the <b>brows</b> are relaxed.",
    overall_emotional_interpretation="The pattern of a smile.",
    conclusion="Happiness.",
)
PROVENANCE = Provenance(
    expllm="1", detector="a detector", au_reader="a reader", classifier="a classifier", writer="offline"
)
GREY = (128, 128, 128)


def picture_of(width: int, height: int, full: tuple[int, int] | None = None) -> Picture:
    return Picture(np.full((height, width, 3), GREY, np.uint8), "grey.png", full or (width, height))


def oval(x: float, y: float, radius: float) -> tuple[tuple[float, float, float], ...]:
    """478 points on rings around a centre: no face, but the right number of landmarks."""
    angles, rings = np.linspace(0, 40 * np.pi, 478), np.linspace(0.2, 1, 478) * radius
    points = zip(x + rings * np.cos(angles), y + rings * np.sin(angles), strict=True)
    return tuple((float(px), float(py), 0.0) for px, py in points)


def face(**changes: Any) -> FaceAnalysis:
    known: dict[str, Any] = {
        "input": "grey.png", "face_id": 0, "status": "ok", "image_width": 200, "image_height": 100,
        "box": Box(x=50, y=20, width=60, height=60), "expression": Expression.HAPPINESS, "cot": COT,
        "probabilities": {Expression.HAPPINESS: 0.75, Expression.NEUTRAL: 0.248, Expression.FEAR: 0.002},
        "aus": AUVector({"left lip corner pull": 0.5, "right lip corner pull": 1.0, "jaw drop": 0.0}),
        "provenance": PROVENANCE,
    }  # fmt: skip
    return FaceAnalysis(**known | changes)


def colours(image: Image.Image, area: tuple[int, int, int, int] | None = None) -> dict[Any, int]:
    """Number of pixels of each colour."""
    counted = image.crop(area).getcolors(maxcolors=1 << 24) if area else image.getcolors(maxcolors=1 << 24)
    return {colour: count for count, colour in counted or []}


def test_rows_name_every_action_unit_once() -> None:
    named = [name for _, right, left in rows.PAIRS for name in (right, left)] + list(rows.SIDELESS_UNITS)
    assert sorted(named) == sorted(AU_NAMES)
    assert all("right" in right and "left" in left for _, right, left in rows.PAIRS)


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0, "0 %"), (0.001, "<1 %"), (0.006, "1 %"), (0.5, "50 %"), (0.997, ">99 %"), (1, "100 %")],
)
def test_percent_never_rounds_to_certainty(probability: float, text: str) -> None:
    assert rows.percent_text(probability) == text


def test_mesh_covers_eyes_brows_lips_and_oval_of_the_right_side() -> None:
    landmarks = [(float(i), 0.0, 0.0) for i in range(478)]
    touched = {group: {x for line in mesh.lines(landmarks, group) for x, _ in line} for group in mesh.GROUPS}
    assert {33, 133, 105} <= touched["right"]  # corners of the subject's right eye, middle of its brow
    assert {263, 362, 334} <= touched["left"]
    assert {61, 291, 10, 152} <= touched["middle"]  # corners of the mouth, top and chin
    assert len(touched["mesh"]) == 468
    assert (
        mesh.lines(landmarks, "middle", (2.0, 1.0))[0][0][0] == mesh.lines(landmarks, "middle")[0][0][0] / 2
    )


class TestOverlay:
    def test_box_lies_where_the_face_is(self) -> None:
        # The analysis is in full-size pixels, the picture is shown 1280 wide: one unit is 6.4 pixels.
        drawn = draw_overlay(picture_of(100, 50, full=(200, 100)), [face()])
        left, top = 24 + round(50 * 6.4), 24 + round(20 * 6.4)
        assert drawn.getpixel((left + 1, top + 100)) == (255, 255, 255)
        assert drawn.getpixel((left + 384 - 1, top + 100)) == (255, 255, 255)
        assert drawn.getpixel((left + 100, top + 100)) == GREY

    def test_saved_as_png_it_opens_again(self) -> None:
        stream = io.BytesIO()
        draw_overlay(picture_of(200, 100), [face()]).save(stream, "PNG")
        assert Image.open(stream).convert("RGB").size[0] > 200

    def test_mesh_has_the_colours_of_the_sides(self) -> None:
        plain = colours(draw_overlay(picture_of(400, 400), [face(box=None, aus=None)]), (24, 24, 700, 700))
        landmarks = oval(200, 200, 150)
        drawn = draw_overlay(picture_of(400, 400), [face(box=None, aus=None, landmarks=landmarks)])
        assert set(plain) == {GREY}
        assert len(colours(drawn, (24, 24, 700, 700))) > 100

    @pytest.mark.parametrize("size", [(1, 1), (48, 48), (2000, 40), (40, 2000), (2048, 1536)])
    def test_any_size_leaves_room_for_readable_text(self, size: tuple[int, int]) -> None:
        box = Box(x=-5, y=-5, width=size[0] + 10, height=size[1])
        drawn = draw_overlay(picture_of(*size), [face(box=box, landmarks=oval(*size, 3))])
        assert max(drawn.size) <= 1600 + 34 * panel.WIDTH + 72
        assert drawn.height >= 15 * panel.LEADING * panel._LINES

    def test_seven_faces_give_six_panels_and_a_count(self) -> None:
        faces = [face(face_id=i) for i in range(9)]
        six = draw_overlay(picture_of(300, 300), faces[:6])
        nine = draw_overlay(picture_of(300, 300), faces)
        assert nine.width == six.width
        assert nine.height > six.height

    def test_a_picture_without_analyses_stays_a_picture(self) -> None:
        assert set(colours(draw_overlay(picture_of(300, 700), []))) == {GREY}

    @pytest.mark.parametrize("status", ["too_small", "no_landmarks", "no_face", "error"])
    def test_unread_inputs_get_a_sentence_and_no_bars(self, status: str) -> None:
        seen = colours(panel.draw_panel(FaceAnalysis(input="x", status=status), 20))  # type: ignore[arg-type]
        assert panel.INK in seen
        assert panel.TRACK not in seen


class TestPanelBars:
    def seen(self, **aus: float | None) -> dict[Any, int]:
        vector = AUVector(dict.fromkeys(AU_NAMES, 0.0) | {k.replace("_", " "): v for k, v in aus.items()})
        return colours(panel.draw_panel(face(aus=vector), 20))

    def test_bars_are_proportional_and_sides_differ(self) -> None:
        half, full = self.seen(left_brow_lower=0.5), self.seen(left_brow_lower=1.0)
        text = self.seen()  # headings are in the colours of their side
        bar, whole = (seen[panel.LEFT] - text[panel.LEFT] for seen in (half, full))
        assert bar == pytest.approx(whole / 2, rel=0.03)
        assert half[panel.RIGHT] == text[panel.RIGHT]
        assert self.seen(right_brow_lower=1.0)[panel.RIGHT] - text[panel.RIGHT] == whole

    def test_not_measured_is_not_drawn_as_zero(self) -> None:
        zero, unknown = self.seen(cheeks_puff=0.0), self.seen(cheeks_puff=None)
        assert panel.HATCH not in zero
        assert unknown[panel.HATCH] > 100
        assert unknown[panel.TRACK] < zero[panel.TRACK]


READINGS = {
    "left lip corner pull": UnitReading(source=AUSource.BOTH, low=0.4, high=0.7),
    "right lip corner pull": UnitReading(source=AUSource.BOTH, low=0.9, high=1.0),
    "jaw drop": UnitReading(source=AUSource.BLENDSHAPES),
}


class TestBands:
    def test_the_page_says_where_a_reading_comes_from_and_how_far_off_it_may_be(self) -> None:
        html = face_card(face(au_readings=READINGS))
        told = "from landmarks and pixels; four of five such readings belong between 0.40 and 0.70"
        assert f'title="{told}"' in html
        assert 'class="bar band" style="--v:0.5;--a:0.4;--b:0.7"' in html
        assert 'title="from landmarks (blendshapes)"><div><span class="bar" style="--v:0"' in html

    def test_nothing_is_said_where_nothing_is_known(self) -> None:
        assert "band" not in face_card(face())
        assert "title=" not in face_card(face(cot=None))

    def test_a_drawing_has_a_line_on_the_bar(self) -> None:
        plain, drawn = (panel.draw_panel(face(**known), 20) for known in ({}, {"au_readings": READINGS}))
        assert colours(drawn)[panel.MUTED] > colours(plain)[panel.MUTED]
        assert plain.size == drawn.size


class Tags(HTMLParser):
    """Collects tags and checks that they are closed in order."""

    VOID = ("meta", "img", "input", "path", "rect")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.beside_mark = False
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.beside_mark = tag == "mark"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data if self.beside_mark else " " + data
        self.beside_mark = "mark" in self.open

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def html_of(*items: tuple[Picture | None, list[FaceAnalysis]], title: str = "Title") -> str:
    stream = io.StringIO()
    with HtmlReport(stream, title=title) as report:
        for picture, analyses in items:
            report.add(picture, analyses)
    return stream.getvalue()


class TestHtml:
    def test_everything_said_of_a_face_is_on_the_page(self) -> None:
        analysis = face(warnings=("The face is small.",), landmarks=oval(80, 50, 20))
        html = Tags(html_of((picture_of(200, 100), [analysis])))
        words = " ".join(html.text.split())
        for expected in (
            *COT.HEADINGS,
            "The pattern of a smile.",
            "The face is small.",
            "happiness",
            "face 0",
        ):
            assert expected in words
        assert "composed by rules from the action units, not by a language model" in words
        assert "not of what a person feels" in words
        assert words.count(rows.NOT_MEASURED) == 28 + 1  # units that nobody measured, and the key
        assert html.named("html") == [{"lang": "en"}]
        assert len(html.named("input")) == 1

    def test_bars_have_the_length_of_their_value(self) -> None:
        html = html_of((None, [face()]))
        lengths = re.findall(
            r'<td class="(right|left|whole)"><div><span class="bar" style="--v:([\d.]+)">', html
        )
        assert lengths == [("right", "1"), ("left", "0.5"), ("whole", "0")]
        assert "calc(var(--v) * 100%)" in html

    def test_drawing_is_in_pixels_of_the_embedded_picture(self) -> None:
        big = Picture(np.zeros((600, 1200, 3), np.uint8), "big", (4800, 2400))
        html = html_of((big, [face(box=Box(x=750, y=300, width=1500, height=750))]))
        assert 'viewBox="0 0 640 320"' in html
        assert 'class="box ok" x="100.0" y="40.0" width="200.0" height="100.0"' in html

    def test_a_hostile_name_stays_text(self) -> None:
        analysis = FaceAnalysis(input=HOSTILE, status="error", error=f"cannot read {HOSTILE}")
        html = html_of((picture_of(9, 9), [analysis, face(input=HOSTILE)]), title=HOSTILE)
        assert Tags(html).named("script") == []
        assert "&#34;&gt;&lt;script&gt;" in html
        assert "\x1b" not in html
        html.encode("utf-8")  # a lone surrogate of an undecodable file name would fail here

    def test_no_request_leaves_the_page(self) -> None:
        html = html_of((picture_of(200, 100), [face(landmarks=oval(80, 50, 20))]))
        tags = Tags(html)
        assert not re.search(r"https?:|url\(|@import|srcset", html)
        assert all((image["src"] or "").startswith("data:image/jpeg;base64,") for image in tags.named("img"))
        assert not tags.named("link") + tags.named("script") + tags.named("iframe")
        policy = next(m["content"] for m in tags.named("meta") if m.get("http-equiv"))
        assert policy is not None
        assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")

    def test_each_item_is_written_at_once(self) -> None:
        stream = io.StringIO()
        with HtmlReport(stream, title="Many") as report:
            sizes = []
            for _ in range(3):
                report.add(None, [face()])
                sizes.append(len(stream.getvalue()))
        assert sizes[2] - sizes[1] == sizes[1] - sizes[0] > 1000

    def test_counts(self) -> None:
        lost = [FaceAnalysis(input="x", status=s) for s in ("too_small", "no_face", "error")]
        html = html_of((None, [face(), face()]), *((None, [analysis]) for analysis in lost))
        summary = html[html.index('class="summary"') :]
        found = dict(re.findall(r"<strong>(\d+)</strong> ([a-z ]+)", summary))
        assert found == {"4": "pictures", "2": "faces measured", "1": "not readable"}
        assert "<strong>1</strong> too small" in summary
        assert "without landmarks" not in summary

    def test_a_broken_run_leaves_a_whole_page_that_says_so(self) -> None:
        stream = io.StringIO()

        def run() -> None:
            with HtmlReport(stream, title="Broken") as report:
                report.add(None, [face()])
                raise ExpllmError("disk on fire")

        with pytest.raises(ExpllmError):
            run()
        assert "interrupted" in Tags(stream.getvalue()).text

    def test_empty_page(self) -> None:
        assert "0 pictures" in " ".join(Tags(html_of()).text.split())


def luminance(colour: str) -> float:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrast_reaches_wcag_aa(theme: int) -> None:
    css = files("expllm").joinpath("assets/report.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", css, re.S)[theme]
    colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))

    def contrast(a: str, b: str) -> float:
        bright, dark = sorted((luminance(colour[a]), luminance(colour[b])), reverse=True)
        return (bright + 0.05) / (dark + 0.05)

    texts = [(t, "paper") for t in ("ink", "muted", "right", "left", "bad")] + [("warn", "warn-bg")]
    assert {pair: round(contrast(*pair), 1) for pair in texts if contrast(*pair) < 4.5} == {}
    bars = [(b, "track") for b in ("right", "left", "whole", "accent")]
    assert {pair: round(contrast(*pair), 1) for pair in bars if contrast(*pair) < 3} == {}


def test_an_embedded_picture_is_small() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2000, 3000, 3), dtype=np.uint8)
    html = html_of((Picture(noise, "noise", (3000, 2000)), []))
    assert f'width="{html_page.LONGEST_SIDE}"' in html
    assert len(html) < 600_000


@pytest.mark.parametrize(("concluded", "again", "agree", "sentence"), [
    ("happiness", "happiness", True, "The label and the text's conclusion agree."),
    ("happiness", "neutral", False,
     "The label and the text's conclusion agree; asked once more, the label is neutral."),
    ("fear", "fear", False,
     "The label is happiness, but the text concludes with fear and the label asked once more is fear."),
    (None, None, False, "The label is happiness, but the text concludes with no one expression."),
])  # fmt: skip
def test_what_agrees_and_what_does_not_is_one_sentence(
    concluded: str | None, again: str | None, agree: bool, sentence: str
) -> None:
    endings = [None if name is None else Expression(name) for name in (concluded, again)]
    explanation = Explanation(text="A text.", concluded=endings[0], second_label=endings[1], agree=agree)
    assert rows.check_texts(explanation, Expression.HAPPINESS) == [sentence]


def test_refuted_sentences_are_counted_beside_the_text() -> None:
    wrong = Rejected(sentence="The jaw drops.", reason="measured 0.00", start=0)
    other = wrong.model_copy(update={"replacement": "The brows rise.", "sample": 2})
    explanation = Explanation(text="The brows rise.", rejected=(wrong, other))
    line = "Refuted while the text was written: 2 sentences, 1 of them left out."
    assert line in rows.check_texts(explanation, None)
    assert not rows.check_texts(explanation.model_copy(update={"rejected": ()}), None)
