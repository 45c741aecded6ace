from tests.doors import USER, Doors


def test_templates_do_not_shadow_plain_paths(doors: Doors) -> None:
    assert doors.client.get("/v1/models").json()["object"] == "list"
    assert doors.client.get("/v1/models/mock/echo").json()["object"] == "model"


def test_a_query_does_not_change_the_path(doors: Doors) -> None:
    body = {"model": "mock/echo", "messages": USER}
    assert doors.client.post("/v1/chat/completions?beta=true", json=body).status_code == 200
    assert doors.client.get("/health/live?x=1").status_code == 200


def test_head_goes_with_get_and_brings_no_body(doors: Doors) -> None:
    for path in ("/v1/models", "/metrics", "/openapi.json", "/health/live"):
        answer = doors.client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["content-length"]) > 0


def test_nothing_says_what_serves_here(doors: Doors) -> None:
    answer = doors.client.get("/nowhere")
    assert not {"server", "date", "x-powered-by"} & set(answer.headers)
