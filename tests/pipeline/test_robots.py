import threading

import pytest

from pipeline.http import FetchError, Response
from pipeline.robots import DELAY_CAP_S, RobotRules, forbids_training
from tests.pipeline.fake_clock import FakeTime
from tests.pipeline.faults.script import SITE, Site, client, reply, served

RULES = b"User-agent: *\nDisallow: /private/\nAllow: /private/open\nCrawl-delay: 3\n"


@pytest.fixture
def site():
    with served(Site()) as script:
        yield script


def reason(session, path):
    try:
        session.get(SITE + path)
    except FetchError as error:
        return error.reason
    return None


def test_what_robots_txt_disallows_is_not_asked(site):
    site.on("/robots.txt", reply(body=RULES))
    site.on("/private/open", reply())
    site.on("/x", reply())
    with client(site) as session:
        reasons = [reason(session, path) for path in ("/private/1", "/private/open", "/x", "/private/2")]
    assert reasons == ["robots_disallowed", None, None, "robots_disallowed"]
    assert site.asked == ["/private/open", "/x"]


def test_a_redirect_to_what_is_disallowed_is_not_followed(site):
    site.on("/robots.txt", reply(body=RULES))
    site.on("/x", reply(302, Location="https://other.example/private/1"))
    with client(site) as session:
        assert reason(session, "/x") == "robots_disallowed"
    assert site.asked == ["/x"]


def test_rules_for_us_by_name_go_before_those_for_all(site):
    site.on("/robots.txt", reply(body=b"User-agent: *\nAllow: /\n\nUser-agent: SUR-workflow\nDisallow: /\n"))
    with client(site) as session:
        assert reason(session, "/x") == "robots_disallowed"


def test_a_documented_api_is_asked_although_robots_txt_is_written_for_crawlers(site):
    site.on("/robots.txt", reply(body=b"User-agent: *\nDisallow: /api/\n"))
    site.on("/api/v1/images?limit=1", reply())
    with client(site, documented=(f"{SITE}/api/v1/",)) as session:
        assert reason(session, "/api/v1/images?limit=1") is None
        assert reason(session, "/api/other") == "robots_disallowed"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_host_without_robots_txt_allows_all(site, status):
    site.on("/robots.txt", reply(status))
    site.on("/x", reply())
    with client(site) as session:
        assert [reason(session, "/x") for _ in range(5)] == [None] * 5


@pytest.mark.parametrize(("status", "told"), [(503, "http_503"), (429, "http_429")])
def test_a_host_that_cannot_give_its_rules_is_not_asked(site, status, told):
    site.on("/robots.txt", reply(status))
    site.on("/x", reply())
    with client(site, attempts=2) as session:
        assert [reason(session, "/x"), reason(session, "/x")] == [told, told]
    assert site.asked == []


def test_rules_that_lie_elsewhere_are_not_followed_and_nothing_is_asked(site):
    site.on("/robots.txt", reply(302, Location="https://elsewhere.example/robots.txt"))
    with client(site) as session:
        assert reason(session, "/x") == "robots_unreadable"


def test_rules_behind_a_redirect_between_hosts_of_the_source_are_read(site):
    site.on("/robots.txt", reply(301, Location="https://other.example/rules"))
    site.on("/rules", reply(body=RULES))
    with client(site) as session:
        assert reason(session, "/private/1") == "robots_disallowed"


def test_a_challenge_instead_of_rules_stops_the_host(site):
    site.on("/robots.txt", reply(403, cf_mitigated="challenge"))
    with client(site) as session:
        assert [reason(session, "/x"), reason(session, "/x")] == ["challenge", "host_stopped"]


def test_a_page_instead_of_rules_forbids_nothing(site):
    site.on("/robots.txt", reply(body=b"<html><body>Disallow: /</body></html>", Content_Type="text/html"))
    site.on("/x", reply())
    with client(site) as session:
        assert reason(session, "/x") is None


def test_the_file_itself_may_be_asked_for(site):
    site.on("/robots.txt", reply(body=b"User-agent: *\nDisallow: /\n"))
    with client(site) as session:
        assert session.get(f"{SITE}/robots.txt").text.startswith("User-agent")


def test_a_crawl_delay_is_kept(site):
    site.on("/robots.txt", reply(body=RULES))
    site.on("/x", reply())
    fake = FakeTime()
    with client(site, fake=fake) as session:
        for _ in range(4):
            session.get(f"{SITE}/x")
    assert [round(slept) for slept in fake.slept if slept > 0.01] == [3, 3, 3]


def test_a_crawl_delay_is_capped():
    endless = b"User-agent: *\nCrawl-delay: 999999999\n"
    rules = RobotRules("us", lambda url: Response(url, 200, {}, endless, 1))
    assert rules.of("a").delay_s == DELAY_CAP_S


def test_many_threads_ask_once_for_the_rules_of_a_host():
    asked, together = [], threading.Barrier(8)

    def ask(url):
        asked.append(url)
        return Response(url, 200, {}, RULES, 1)

    rules = RobotRules("us", ask)

    def work():
        together.wait(5)
        rules.of("a")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == ["https://a/robots.txt"]


@pytest.mark.parametrize(
    ("tag", "forbids"),
    [
        (None, False),
        ("", False),
        ("noindex, nofollow", False),
        ("noai", True),
        ("noimageai", True),
        ("index, NoAI", True),
        ("us: noai", True),
        ("*: noimageai", True),
        ("otherbot: noai", False),
        ("otherbot: noindex, noai", True),
        ("unavailable_after: 25 Jun 2010 15:00:00 PST", False),
    ],
)
def test_the_tag_against_training_is_read(tag, forbids):
    assert forbids_training(tag, "us") is forbids
