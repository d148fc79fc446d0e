"""Who is let in: hosts, origins, keys, rates; and what is told to nobody."""

import pytest
from serving_expllm import Running, portrait, running

from expllm.core.errors import UsageError
from expllm.server.access import Rate
from expllm.server.http_errors import ApiError
from expllm.server.served_models import public_name
from expllm.server.server_config import ServerConfig

KEY = "sk-first"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "192.168.3.4"])
def test_names_of_this_machine_are_served(server: Running, host: str) -> None:
    assert server.ask("GET", "/v1/models", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io:8000", "[::1"]
)
def test_a_name_that_was_made_to_point_here_is_not(server: Running, host: str) -> None:
    answer = server.ask("GET", "/v1/models", headers={"Host": host})
    assert answer.status == 400
    assert answer.error["code"] == "unknown_host"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://[::1"])
def test_pages_of_other_sites_may_not_write(server: Running, origin: str) -> None:
    answer = server.ask("POST", "/v1/analyze", portrait(), {"Origin": origin, "Content-Type": "text/plain"})
    assert answer.status == 403
    assert answer.error["code"] == "foreign_origin"


def test_the_servers_own_page_may(server: Running) -> None:
    own = f"http://127.0.0.1:{server.port}"
    assert server.post("/v1/explain", {"aus": {}}, Origin=own).status == 200


def test_an_origin_that_is_allowed_may_and_its_browser_is_told() -> None:
    with running(cors=("http://lab.example",)) as server:
        allowed = server.post("/v1/explain", {"aus": {}}, Origin="http://lab.example")
        foreign = server.post("/v1/explain", {"aus": {}}, Origin="http://evil.example")
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == "http://lab.example"
    assert foreign.status == 403


def test_a_key_opens_the_server_and_health_needs_none() -> None:
    with running(keys=(KEY, "sk-second")) as server:
        for header in ({}, {"Authorization": "Bearer sk-third"}, {"Authorization": f"Basic {KEY}"}):
            answer = server.ask("GET", "/v1/models", headers=header)
            assert answer.status == 401
            assert answer.error["type"] == "authentication_error"
            assert answer.headers["www-authenticate"] == "Bearer"
        for key in (KEY, "sk-second"):
            assert server.ask("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"}).status == 200
        assert server.ask("GET", "/metrics").status == 401
        assert server.ask("GET", "/health/ready").status == 200
        assert server.log == []


def test_other_machines_are_served_with_a_key_or_on_purpose_only() -> None:
    for host in ("0.0.0.0", "::", "192.168.3.4", "example.org"):
        with pytest.raises(UsageError, match="--key-env"):
            ServerConfig(host=host)
    ServerConfig(host="0.0.0.0", keys=(KEY,))
    ServerConfig(host="0.0.0.0", no_key=True)
    assert KEY not in repr(ServerConfig(keys=(KEY,)))


def test_too_many_requests_of_a_client_wait() -> None:
    with running(rate=2.0) as server:
        answers = [server.ask("GET", "/v1/models") for _ in range(3)]
        assert server.ask("GET", "/health/live").status == 200
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].error["code"] == "rate_limit_exceeded"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 31


def test_a_rate_is_each_clients_own_and_fills_up_again() -> None:
    rate = Rate(60)
    for _ in range(60):
        rate.count("one", now=100.0)
    with pytest.raises(ApiError):
        rate.count("one", now=100.0)
    rate.count("other", now=100.0)
    rate.count("one", now=101.1)


def test_clients_learn_nothing_of_folders() -> None:
    assert public_name("/home/ann/secret/mine/model") == "mine"
    assert public_name("compact") == "compact"
