"""What a run writes: read by the tools that it is for."""

import csv
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import webvtt
from encoding import encode, saved
from faces_in_motion import small_walk, smile_video, wall
from pympi import Elan

import expllm
from expllm.core.errors import UsageError
from expllm.core.vocabulary import AU_NAMES, AUSource
from expllm.data import open_dataset
from expllm.files.runs import RunError
from expllm.predict import open_explainer
from expllm.video.analysis import VideoAnalysis, VideoOptions
from expllm.video.annotated import write_annotated
from expllm.video.clip import Clip, Sampling
from expllm.video.course_tables import read_rest
from expllm.video.courses import Rest
from expllm.video.events import Episode
from expllm.video.frametable import write_frames
from expllm.video.stretch_store import StretchesInMemory
from expllm.video.stretches import StretchMeter
from expllm.video.timelinepage import report_parts
from expllm.video.videorun import Products, VideoRun, result_of, run_folders


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("video"), "smile.webm", smile_video())


@pytest.fixture(scope="module")
def meter() -> Any:
    with StretchMeter() as opened:
        yield opened


@pytest.fixture(scope="module")
def run(video: Path, meter: StretchMeter) -> tuple[Path, VideoAnalysis]:
    folder = video.parent / "out" / "smile"
    made = VideoRun(video, folder, VideoOptions())
    with made.locked():
        analysis = made.analyze(meter)
        made.write(analysis, Products(table="csv"), meter)
    return folder, analysis


def test_a_smile_is_an_event_with_its_time(run: tuple[Path, VideoAnalysis]) -> None:
    _, analysis = run
    assert [person.name for person in analysis.people] == ["P1"]
    smiles = [event for event in analysis.events if event.unit == "left lip corner pull"]
    assert len(smiles) == 1
    assert 1.7 < smiles[0].onset < 2.9 < smiles[0].offset < 4.3
    episode = next(one for one in analysis.episodes if smiles[0] in one.events)
    assert episode.expression == expllm.Expression.HAPPINESS
    assert 2.4 < episode.apex < 3.6


def test_every_frame_has_a_row(run: tuple[Path, VideoAnalysis]) -> None:
    folder, analysis = run
    table = pd.read_csv(folder / "frames.csv")
    assert table["frame"].tolist() == list(range(60))
    assert table["time"].tolist() == pytest.approx([i / 10 for i in range(60)], abs=1e-3)
    assert set(AU_NAMES) <= set(table.columns)
    assert table["person"].unique().tolist() == ["P1"]
    assert len(list(analysis)) == 60


def test_events_people_and_settings(run: tuple[Path, VideoAnalysis]) -> None:
    folder, analysis = run
    with (folder / "events.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(analysis.events)
    assert [row["reliable"] for row in rows] == [str(int(event.trusted)) for event in analysis.events]
    assert all((row["reliable"] == "0") == bool(row["unreliable_because"]) for row in rows)
    assert all(float(row["onset"]) * 1000 == pytest.approx(float(row["onset_ms"]), abs=0.6) for row in rows)
    episodes = [Episode.from_json(line) for line in (folder / "episodes.jsonl").read_text().splitlines()]
    assert episodes == analysis.episodes
    settings = json.loads((folder / "run.json").read_text())
    assert settings["result"]["frames"] == 60
    assert settings["result"]["damage"] == []


def test_elan_and_players_read_the_exports(run: tuple[Path, VideoAnalysis]) -> None:
    folder, analysis = run
    document = Elan.Eaf(str(folder / "smile.eaf"))
    tiers = {name: document.get_annotation_data_for_tier(name) for name in document.get_tier_names()}
    for event in analysis.events:
        found = [one for one in tiers[f"P1: {event.unit}"] if one[0] == round(1000 * event.onset)]
        assert found
        assert found[0][2].startswith(event.letter)
    captions = webvtt.read(str(folder / "smile.vtt")).captions
    assert len(captions) == len(analysis.episodes)
    assert all(caption.text.startswith("P1") for caption in captions)


def test_the_page_shows_every_event_and_marks_claims(run: tuple[Path, VideoAnalysis]) -> None:
    folder, analysis = run
    page = (folder / "report.html").read_text(encoding="utf-8")
    root = ET.fromstring(re.sub(r"<!DOCTYPE html>|<meta[^>]*>|&(?!amp;|lt;|gt;|quot;|#)", "", page))
    bars = [one for one in root.iter("a") if one.find("rect") is not None]
    assert len(bars) == len(analysis.events)
    targets = {one.get("id") for one in root.iter() if one.get("id")}
    assert {str(one.get("href")).removeprefix("#") for one in root.iter("a")} <= targets
    assert all(one.get("aria-label") for one in bars)
    assert list(root.iter("mark"))
    assert not list(root.iter("script"))
    names = [one.text for one in root.iter("text") if one.get("class") == "unit"]
    assert set(names) == {event.unit for event in analysis.events}
    ids = [one.get("id") for one in root.iter() if one.get("id") not in (None, "doubtful")]
    assert len(ids) == len(set(ids))
    told = sum(event.trusted for event in analysis.events)
    assert f"All {told} events as a table" in page
    doubtful = len(analysis.events) - told
    assert (f"{doubtful} doubtful events" in page) == (doubtful > 0)
    assert "fit the course" in page


@pytest.mark.parametrize("columns", ["pyfeat", "openface"])
def test_columns_of_other_tools(run: tuple[Path, VideoAnalysis], tmp_path: Path, columns: str) -> None:
    _, analysis = run
    write_frames(
        tmp_path / "a.csv", "smile.webm", analysis, columns=columns, classifier=analysis.options.classifier
    )
    write_frames(
        tmp_path / "a.parquet",
        "smile.webm",
        analysis,
        columns=columns,
        classifier=analysis.options.classifier,
    )
    table, typed = pd.read_csv(tmp_path / "a.csv"), pd.read_parquet(tmp_path / "a.parquet")
    assert list(table.columns) == list(typed.columns)
    assert len(table) == len(typed) == 60
    if columns == "pyfeat":
        assert table["Identity"].unique().tolist() == ["P1"]
        assert table["AU12"].max() > 0.5
    else:
        assert table["timestamp"].tolist() == pytest.approx([i / 10 for i in range(60)], abs=1e-3)
        assert table["AU12_r"].max() > 2.5


def test_another_baseline_measures_nothing_again(
    run: tuple[Path, VideoAnalysis], video: Path, meter: StretchMeter
) -> None:
    folder, _ = run
    stamps = [path.stat().st_mtime_ns for path in (folder / "stretches").iterdir()]
    rest = Rest(given=read_rest(folder / "people.csv"))
    again = VideoRun(video, folder, VideoOptions(rest=rest)).analyze(meter)
    assert [path.stat().st_mtime_ns for path in (folder / "stretches").iterdir()] == stamps
    assert len(again.events) > 0
    neutral = VideoRun(video, folder, VideoOptions(rest=Rest(span=(0.0, 1.0)))).analyze(meter)
    assert any(event.unit == "left lip corner pull" for event in neutral.events)


def test_times_that_are_excluded_make_no_events_and_keep_their_rows(
    run: tuple[Path, VideoAnalysis], video: Path, meter: StretchMeter
) -> None:
    folder, before = run
    measured = {path.name: path.stat().st_mtime_ns for path in (folder / "stretches").iterdir()}
    options = VideoOptions(exclude=((0.0, 0.5), (1.5, 4.5)))
    made = VideoRun(video, folder, options)
    analysis = made.analyze(meter)
    assert before.episodes
    assert [event for event in analysis.events if event.offset > 1.5 and event.onset < 4.5] == []
    rows, old = list(analysis), list(before)
    assert [(row.time, row.aus) for row in rows] == [(row.time, row.aus) for row in old]
    out = [row.time for row in rows if "excluded" in row.unreliable_because]
    assert out == [row.time for row in rows if row.time < 0.5 or 1.5 <= row.time < 4.5]
    assert not any(row.reliable for row in rows if row.time in out)
    assert not any(1.5 <= episode.apex < 4.5 for episode in analysis.episodes)
    assert result_of(analysis)["excluded"] == [[0.0, 0.5], [1.5, 4.5]]
    page = "".join(report_parts("smile", analysis))
    assert page.count("<title>excluded</title>") == 2
    assert "<title>excluded</title>" not in "".join(report_parts("smile", before))
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "stretches").iterdir()} == measured


def test_a_span_to_exclude_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(UsageError, match="ends before it begins"):
        expllm.analyze_video(small_walk(), exclude=[(1, 2), (4, 3)])


def test_a_run_is_not_resumed_with_other_settings(
    run: tuple[Path, VideoAnalysis], video: Path, meter: StretchMeter
) -> None:
    folder, _ = run
    with pytest.raises(RunError, match="every"):
        VideoRun(video, folder, VideoOptions(Sampling(every=2))).analyze(meter)


def test_pixels_measure_more_units_of_a_video(
    run: tuple[Path, VideoAnalysis], video: Path, tmp_path: Path
) -> None:
    folder, by_blendshapes = run
    options = VideoOptions(au_source=AUSource.BOTH)
    with StretchMeter(source=AUSource.BOTH) as both:
        made = VideoRun(video, tmp_path / "both", options)
        with made.locked():
            analysis = made.analyze(both)
        with pytest.raises(RunError, match="au_reader"):
            VideoRun(video, folder, options).analyze(both)
    measured, before = (
        {unit for row in one if row.aus is not None for unit in row.aus.measured}
        for one in (analysis, by_blendshapes)
    )
    assert {"nose wrinkle", "lip corner depressor", "cheek raiser"} <= measured - before
    smiles = [event for event in analysis.events if event.unit.endswith("lip corner pull")]
    assert any(1.7 < event.onset < event.offset < 4.3 for event in smiles)


def test_a_unit_is_of_one_source_in_all_frames(video: Path) -> None:
    with StretchMeter(source="both") as both, StretchMeter(source="pixels") as seen:
        store, pixels = StretchesInMemory(), StretchesInMemory()
        for meter, kept in ((both, store), (seen, pixels)):
            with Clip(video) as clip:
                meter.measure(clip, kept, Sampling(stop=0.5))
    column = AU_NAMES.index("nose wrinkle")
    joined, alone = ([stretch.units[:, column] for stretch in one.all()] for one in (store, pixels))
    assert [len(part) for part in joined] == [len(part) for part in alone]
    assert not np.isnan(joined[0]).all()
    np.testing.assert_array_equal(np.isnan(joined[0]), np.isnan(alone[0]))


def test_research_weights_are_refused_where_licences_must_be_permissive() -> None:
    with pytest.raises(UsageError, match="permissive"):
        expllm.analyze_video(small_walk(), au_source="both", licence="permissive")


def test_an_iterator_in_python() -> None:
    with expllm.analyze_video(small_walk(), name="walk") as analysis:
        rows = list(analysis)
    assert len(rows) == 50
    assert {row.person for row in rows} == {"P1"}
    assert rows[10].aus is not None


def test_a_video_without_a_face_has_rows_and_nobody() -> None:
    data = encode(wall(20), fps=10)
    with expllm.analyze_video(data) as analysis:
        assert [row.person for row in analysis] == [None] * 20
        assert analysis.people == []


def test_the_annotated_video_keeps_every_time_and_hides_faces(
    run: tuple[Path, VideoAnalysis], video: Path, tmp_path: Path
) -> None:
    _, analysis = run
    for blur in (False, True):
        with Clip(video) as clip:
            write_annotated(tmp_path / "a.webm", clip, analysis, blur=blur)
        with Clip(tmp_path / "a.webm") as clip:
            frames = [(frame.time, frame.pixels()) for frame in clip.frames()]
        assert [time for time, _ in frames] == pytest.approx([i / 10 for i in range(60)], abs=2e-3)
    with expllm.Predictor.load("offline") as predictor:
        assert not [face for face in predictor.analyze(frames[5][1]) if face.status == "ok"]


def test_the_engine_takes_the_episodes_as_a_data_set(run: tuple[Path, VideoAnalysis]) -> None:
    folder, analysis = run
    dataset = open_dataset(str(folder / "apexes.csv"))
    samples = list(dataset)
    assert len(samples) == len(analysis.episodes)
    smile = max(one.aus["left lip corner pull"] or 0.0 for one in samples if one.aus is not None)
    assert smile > 0.5


def test_what_a_killed_process_was_writing_is_taken_away(
    run: tuple[Path, VideoAnalysis], video: Path, meter: StretchMeter
) -> None:
    folder, _ = run
    left = folder / ".frames.csv.abc.partial"
    left.write_bytes(b"half")
    VideoRun(video, folder, VideoOptions()).analyze(meter)
    assert not left.exists()


@pytest.mark.slow
def test_the_shipped_model_explains_the_apex(run: tuple[Path, VideoAnalysis], video: Path) -> None:
    folder, analysis = run
    before = list(analysis.episodes)
    explainer = open_explainer("compact")
    try:
        VideoRun(video, folder, VideoOptions()).ask(explainer, analysis)
        told = list(analysis.episodes)
    finally:
        explainer.close()
        analysis.episodes = before
    assert all(one.writer.startswith("compact") and one.explanation is not None for one in told)
    assert all(one.expression is not None for one in told)


def test_names_of_folders() -> None:
    assert run_folders([Path("a/x.mp4"), Path("y.mov")], Path("o")) == [Path("o/x"), Path("o/y")]
    assert run_folders([Path("x.mp4"), Path("x.mov")], Path("o")) == [Path("o/x.mp4"), Path("o/x.mov")]
    with pytest.raises(UsageError, match=r"x\.mp4"):
        run_folders([Path("a/x.mp4"), Path("b/x.mp4")], Path("o"))
