"""`/v1/explain` and `/v1/audit`: the same as in Python."""

import pytest
from serving_expllm import Running

from expllm.core.vocabulary import AU_NAMES
from expllm.grounding import audit

SMILE = {"left lip corner pull": 0.7, "right lip corner pull": 0.65, "jaw drop": 0.2, "left brow lower": 0.0}
"""The other units: not measured."""
WHOLE = dict.fromkeys(AU_NAMES, 0.0) | SMILE


def test_units_are_explained_with_their_claims(server: Running) -> None:
    answer = server.post("/v1/explain", {"aus": WHOLE})
    assert answer.status == 200, answer.body
    reply = answer.json
    assert reply["expression"] == "happiness"
    assert sum(reply["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert reply["claims"] == audit(reply["text"], WHOLE).to_dict()["claims"]
    for claim in reply["claims"]:
        assert reply["text"][claim["start"] : claim["end"]] == claim["text"]
        assert claim["verdict"] == "supported"


def test_another_expression_is_explained_where_it_is_named(server: Running) -> None:
    reply = server.post("/v1/explain", {"aus": WHOLE, "expression": "surprise"}).json
    assert reply["expression"] == "happiness"
    assert "surprise" in reply["cot"]["conclusion"]


def test_a_given_label_does_not_lead_where_another_one_is_likelier(server: Running) -> None:
    aus = {"right lip corner pull": 1, "left lip corner pull": 1, "jaw drop": 0.1}
    reply = server.post("/v1/explain", {"aus": aus, "expression": "anger"}).json
    assert reply["expression"] == "happiness"
    conclusion = reply["cot"]["conclusion"].lower()
    assert "anger" in conclusion
    assert "happiness" in conclusion
    assert not any(words in conclusion for words in ("in front", "leads", "comes first", "followed by"))


def test_too_few_units_get_no_label(server: Running) -> None:
    reply = server.post("/v1/explain", {"aus": {}}).json
    assert reply["expression"] is None
    assert reply["probabilities"] is None
    assert reply["warnings"] == ["Too little was measured to name an expression."]


def test_a_smile_never_becomes_less_happy_as_it_grows(server: Running) -> None:
    shares = []
    for step in range(11):
        aus = WHOLE | dict.fromkeys(("left lip corner pull", "right lip corner pull"), step / 10)
        shares.append(server.post("/v1/explain", {"aus": aus}).json["probabilities"]["happiness"])
    assert shares == sorted(shares)
    assert shares[-1] > shares[0]


def test_a_text_is_audited_as_in_python(server: Running) -> None:
    text = "Both lip corners are pulled up. The brows are strongly lowered."
    reply = server.post("/v1/audit", {"text": text, "aus": WHOLE, "label": "happiness"}).json
    assert reply["object"] == "audit"
    assert [claim["verdict"] for claim in reply["claims"]] == ["supported", "contradicted"]
    expected = audit(text, WHOLE, "happiness").to_dict()
    assert reply["claims"] == expected["claims"]
    assert reply["precision"] == expected["precision"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/explain", {"aus": {"smile": 0.5}}, "aus"),
        ("/v1/explain", {"aus": {"jaw drop": 1.5}}, "aus.jaw drop"),
        ("/v1/explain", {"aus": {"jaw drop": "much"}}, "aus.jaw drop"),
        ("/v1/explain", {"aus": {}, "expression": "hunger"}, "expression"),
        ("/v1/explain", {"aus": WHOLE, "expression": "contempt", "labels": 7}, "expression"),
        ("/v1/counterfactual", {"aus": WHOLE, "toward": "contempt", "labels": 7}, "toward"),
        ("/v1/explain", {"aus": {}, "lables": 7}, "lables"),
        ("/v1/explain", {}, "aus"),
        ("/v1/explain", [], None),
        ("/v1/audit", {"text": "x" * 20_001, "aus": {}}, "text"),
        ("/v1/audit", {"text": "x", "aus": {}, "label": "hunger"}, "label"),
    ],
)
def test_what_is_wrong_is_named(server: Running, path: str, body: object, param: str | None) -> None:
    answer = server.post(path, body)
    assert answer.status == 400, answer.body
    assert answer.error["param"] == param


def test_names_of_other_vocabularies_get_a_way_on(server: Running) -> None:
    coded = server.post("/v1/explain", {"aus": {"AU12": 1}}).error["message"]
    assert "AU12" in coded
    assert "GET /v1/vocabulary" in coded
    sideless = server.post("/v1/explain", {"aus": {"lip corner pull": 1}}).error["message"]
    assert "'left lip corner pull' and 'right lip corner pull'" in sideless
