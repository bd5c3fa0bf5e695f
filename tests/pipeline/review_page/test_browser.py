import json
import re
from contextlib import ExitStack

import pytest

from tests.pipeline.review_page.browsing import browser, opened
from tests.pipeline.review_page.made import free_port, lines, served, workspace


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


def expects(page, name, words):
    """Wait until an element says so; Playwright's own waiting for functions needs eval, which the page forbids."""
    from playwright.sync_api import expect

    expect(page.locator(name)).to_have_text(words, timeout=20_000)


def wait_done(page, count):
    expects(page, "#counts", re.compile(f"^{count} done"))
    expects(page, "#saved", "Saved")


def wait_saved(page):
    expects(page, "#saved", "Saved")


def judge(page, first, last):
    """Press k, r and u until so many are done; every tenth by a click."""
    for number in range(first, last):
        if number % 10 == 5:
            page.get_by_role("button", name="Keep").click()
        else:
            page.keyboard.press("kkkrkkkkku"[number % 10])
        wait_done(page, number + 1)


def run_killed(chromium, folder, pairs, kills):
    """Review all pairs, the server killed while it saves, and again; the page is left open all the time."""
    workspace(folder, pairs)
    port, done = free_port(), 0
    with ExitStack() as servers:
        server = servers.enter_context(served(folder, "--reviewer", "Ann", port=port))
        with opened(chromium, server.address) as page:
            for step in range(1, kills + 1):
                known = round(pairs * step / (kills + 1)) - 3
                judge(page, done, known)
                for key in "krk":
                    page.keyboard.press(key)
                server.end(kill=True)  # some of the three are on the disk, some of these are known to be
                page.keyboard.press("k")
                expects(page, "#saved", re.compile("not saved"))
                assert "Not saved" in page.locator("#alarm").inner_text()
                server = servers.enter_context(served(folder, "--reviewer", "Ann", port=port))
                wait_saved(page)
                done = int(page.locator("#counts").inner_text().split()[0])
                assert done > known
                assert page.locator("#alarm").inner_text() == ""
            judge(page, done, pairs)
            assert page.get_by_text("Nothing is left for you").is_visible()
    return [line["review_key"] for line in lines(folder)]


def test_twenty_pairs_survive_two_kills(chromium, tmp_path):
    keys = run_killed(chromium, tmp_path, 20, kills=2)
    assert len(keys) == len(set(keys)) == 20


@pytest.mark.slow
def test_two_hundred_pairs_survive_two_kills(chromium, tmp_path):
    keys = run_killed(chromium, tmp_path, 200, kills=2)
    assert len(keys) == len(set(keys)) == 200


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """One server for the tests that each look at something else of it."""
    folder = workspace(
        tmp_path_factory.mktemp("site"),
        40,
        levels=dict.fromkeys(range(40), 4),
        changed=dict.fromkeys(range(40), HOSTILE),
    )
    with served(folder, "--reviewer", "Ann") as running:
        yield running, folder


MARK = "document.documentElement.dataset.hacked = 1"  # the title would not do: the page sets it anew when it starts
IMAGE = f'<img src=x onerror="{MARK}">'
SCRIPT = f"{IMAGE}<script>{MARK}</script>"
HOSTILE = (
    "\u202egnorts \u05e9\u05dc\u05d5\u05dd " + SCRIPT,
    f"{SCRIPT} \"quotes' & ampersands; " + "long word " * 1000,
)


def hacked(page):
    return page.locator("html[data-hacked]").count() > 0


def test_hostile_prompts_are_shown_as_text(chromium, site):
    with opened(chromium, site[0].address) as page:
        shown = page.locator(".text p").all_inner_texts()
        assert shown[0] == HOSTILE[0]
        assert shown[1].strip() == HOSTILE[1].strip()
        assert page.locator(".text img, .text script").count() == 0
        assert not hacked(page)
        assert page.locator(".text p").first.evaluate("e => getComputedStyle(e).unicodeBidi") == "isolate"
        page.keyboard.press("g")
        assert page.locator(".cell img").count() == page.locator(".cell").count() == 24
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_that_is_injected_runs(chromium, site):
    """Text of strangers as a script, and as markup: refused before it is in the page; what were in it were not run."""
    with opened(chromium, site[0].address) as page:
        refused = page.evaluate(
            """async ([code, markup]) => {
                const refused = [];
                const script = document.createElement('script');
                try { script.textContent = code; } catch (error) { refused.push(error.name); }
                document.body.append(script);
                try {
                    document.body.insertAdjacentHTML('beforeend', markup);
                    const image = document.body.lastElementChild;
                    await new Promise(failed => image.addEventListener('error', failed));
                } catch (error) { refused.push(error.name); }
                return refused;
            }""",
            [MARK, IMAGE],
        )
        assert not hacked(page)
        assert refused == ["TypeError", "TypeError"]


def test_nothing_runs_that_stands_in_the_page_as_it_comes(chromium, site):
    with opened(chromium, site[0].address) as page:

        def mixed_in(route):
            answer = route.fetch()
            route.fulfill(response=answer, body=answer.text().replace("</body>", SCRIPT + "</body>"))

        page.route("http://127.0.0.1:*/", mixed_in)
        page.reload()  # until all pictures are there or have failed
        assert page.locator("img[src=x]").evaluate("e => e.complete && e.naturalWidth === 0")
        assert not hacked(page)


def test_flagged_pictures_are_blurred_until_asked_for(chromium, site):
    with opened(chromium, site[0].address) as page:
        picture = page.locator("figure img")
        assert "blur" in picture.evaluate("e => getComputedStyle(e).filter")
        assert "Blurred" in picture.get_attribute("alt")
        page.keyboard.press("b")
        assert page.locator("figure.hidden").count() == 0
        page.get_by_role("button", name="Blur").click()
        assert page.locator("figure.hidden").count() == 1


@pytest.mark.parametrize("grid", [False, True])
def test_a_phone_shows_it_without_scrolling_sideways(chromium, site, grid):
    with opened(chromium, site[0].address, width=390, height=844, has_touch=True) as page:
        if grid:
            page.get_by_role("button", name="Grid").tap()
            assert page.locator(".cell").count() == 12
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        small = page.locator("button:visible").evaluate_all(
            "all => all.filter(e => e.offsetHeight < 34).map(e => e.textContent)"
        )
        assert not small  # a finger must find them
        if not grid:
            assert page.get_by_role("button", name="Keep").bounding_box()["y"] < 844


def test_another_site_cannot_post_or_read(chromium, site, tmp_path):
    """A page of another origin in the same browser, which holds the cookie, tries fetch, a form and a picture."""
    running, folder = site
    before = lines(folder)
    home = f"http://127.0.0.1:{running.port}"
    with opened(chromium, running.address) as page:
        picture = page.locator("figure img").first.get_attribute("src")
        evil = page.context.new_page()
        evil.route(
            "http://evil.localhost/*", lambda route: route.fulfill(body="<h1>evil</h1>", content_type="text/html")
        )
        evil.goto("http://evil.localhost/")
        body = json.dumps({"answers": [{"id": "0" * 16, "answers": {"verdict": "reject"}}]})
        told = evil.evaluate(
            """async ([home, body, picture]) => {
                const told = {};
                for (const mode of ['cors', 'no-cors']) {
                    try {
                        const answer = await fetch(home + '/api/answers', {
                            method: 'POST', mode, credentials: 'include', body,
                            headers: { 'Content-Type': 'text/plain' } });
                        told[mode] = answer.type + ' ' + answer.status;
                    } catch (error) { told[mode] = error.name; }
                }
                try { told.session = await (await fetch(home + '/api/session', {credentials: 'include'})).text(); }
                catch (error) { told.session = error.name; }
                told.picture = await new Promise((done) => {
                    const image = new Image();
                    image.onload = () => done('shown');
                    image.onerror = () => done('refused');
                    image.src = home + picture;
                });
                return told;
            }""",
            [home, body, picture],
        )
    assert told["cors"] == "TypeError"
    assert told["no-cors"] == "opaque 0" or told["no-cors"] == "TypeError"
    assert told["session"] == "TypeError"
    assert told["picture"] == "refused"
    assert lines(folder) == before


def focused(page):
    return page.evaluate(
        "document.activeElement.dataset.focus || document.activeElement.id || document.activeElement.tagName"
    )


def test_the_keyboard_alone_is_enough(chromium, tmp_path):
    workspace(tmp_path, 8)
    with served(tmp_path, "--reviewer", "Ann") as running, opened(chromium, running.address) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the item"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        while focused(page) != "verdict reject":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        wait_done(page, 1)
        assert focused(page) == "verdict reject"  # the same button of the next pair
        page.keyboard.press("2")
        page.keyboard.press("3")
        page.keyboard.press("3")
        page.keyboard.press("c")
        page.keyboard.type("two, not one; r and k here are letters")
        page.keyboard.press("Escape")
        page.keyboard.press("r")
        wait_done(page, 2)
        page.keyboard.press("?")
        assert page.get_by_role("dialog").is_visible()
        page.keyboard.press("k")  # not a verdict while the list is open
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")  # the browser's own
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("u")
        wait_done(page, 3)
    first, second, third = lines(tmp_path)
    assert (first["verdict"], second["verdict"], third["verdict"]) == ("reject", "reject", "unsure")
    assert second["reasons"] == ["wrong_count"]
    assert second["note"] == "two, not one; r and k here are letters"
    assert 0 <= second["seconds"] < 60


def test_nothing_is_judged_before_its_picture_is_there(chromium, tmp_path):
    workspace(tmp_path, 3)
    with served(tmp_path, "--reviewer", "Ann") as running:
        context = chromium.new_context()
        page, held = context.new_page(), []
        page.route("**/picture/**", lambda route: held.append(route))  # noqa: PLW0108 -- it marks its handlers
        page.goto(running.address)
        page.wait_for_selector(".single")
        page.keyboard.press("k")
        page.get_by_role("button", name="Reject").click()
        for route in held:
            route.continue_()
        page.evaluate("document.querySelector('figure img').decode()")
        page.keyboard.press("u")
        wait_done(page, 1)
        context.close()
    assert [line["verdict"] for line in lines(tmp_path)] == ["unsure"]


def test_an_answer_that_is_refused_does_not_hold_up_the_others(chromium, tmp_path):
    """As after dvc repro with other captions, with the page still open."""
    workspace(tmp_path, 3)
    port = free_port()
    with (
        served(tmp_path, "--reviewer", "Ann", port=port) as running,
        opened(chromium, running.address) as page,
    ):
        page.route("**/api/answers", lambda route: route.abort())
        judged = [page.locator(".text p").first.inner_text()]
        page.keyboard.press("k")
        expects(page, "#saved", "1 not saved")
        judged.append(page.locator(".text p").first.inner_text())
        page.keyboard.press("r")
        running.end(kill=True)
        expects(page, "#saved", "2 not saved")
        workspace(tmp_path, 3, changed={0: ("another caption",), 1: ("another caption",)})
        page.unroute("**/api/answers")
        with served(tmp_path, "--reviewer", "Ann", port=port):
            expects(page, "#alarm", re.compile("An answer was not taken: no such item"))
            expects(page, "#saved", "Saved")
    assert len(lines(tmp_path)) == judged.count("caption 2")  # the one that is still the same


def test_that_an_answer_was_refused_is_told_until_the_next_one_is_taken(chromium, tmp_path):
    workspace(tmp_path, 3)
    with served(tmp_path, "--reviewer", "Ann") as running, opened(chromium, running.address) as page:
        page.route("**/api/answers", lambda route: route.fulfill(status=400, json={"error": "no such item"}))
        page.keyboard.press("k")
        expects(page, "#alarm", "An answer was not taken: no such item")
        page.unroute("**/api/answers")
        page.evaluate("document.querySelector('figure img').decode()")
        page.keyboard.press("k")
        wait_done(page, 1)
        expects(page, "#alarm", "")


def test_letter_keys_can_be_turned_off(chromium, tmp_path):
    workspace(tmp_path, 3)
    with served(tmp_path, "--reviewer", "Ann") as running, opened(chromium, running.address) as page:
        page.keyboard.press("?")
        page.get_by_label("Letters and digits are keys").uncheck()
        page.get_by_role("button", name="Close").click()
        page.keyboard.press("k")
        page.get_by_role("button", name="Unsure").click()
        wait_done(page, 1)
    assert [line["verdict"] for line in lines(tmp_path)] == ["unsure"]


def test_undo_appends_a_line_and_brings_the_pair_back(chromium, tmp_path):
    workspace(tmp_path, 5)
    with served(tmp_path, "--reviewer", "Ann") as running, opened(chromium, running.address) as page:
        caption = page.locator(".text p").first.inner_text()
        page.keyboard.press("r")
        wait_done(page, 1)
        page.keyboard.press("z")
        wait_done(page, 0)
        assert page.locator(".text p").first.inner_text() == caption
        page.keyboard.press("k")
        wait_done(page, 1)
        page.reload()  # the page forgets what it did, the file does not
        page.wait_for_selector(".single")
        page.keyboard.press("z")
        wait_done(page, 0)
        assert page.locator(".text p").first.inner_text() == caption
    found = lines(tmp_path)
    assert [line.get("verdict") for line in found] == ["reject", None, "keep", None]
    assert [line.get("retracted", False) for line in found] == [False, True, False, True]


def test_in_the_grid_a_click_rejects_and_the_page_is_saved_at_once(chromium, tmp_path):
    workspace(tmp_path, 30)
    with served(tmp_path, "--reviewer", "Ann") as running, opened(chromium, running.address) as page:
        page.keyboard.press("g")
        page.locator(".cell").nth(3).click()
        page.keyboard.press("2")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("u")
        page.locator(".cell").nth(9).click()
        page.locator(".cell").nth(9).click()
        assert lines(tmp_path) == []
        page.keyboard.press("Shift+Enter")
        wait_done(page, 24)
        assert page.locator(".cell").count() == 6
        page.keyboard.press("z")
        wait_done(page, 0)
        page.keyboard.press("Shift+Enter")
        wait_done(page, 24)
        page.get_by_role("button", name=re.compile("Save page")).click()
        wait_done(page, 30)
    found = lines(tmp_path)
    verdicts = [line.get("verdict") for line in found[:24]]
    assert verdicts.count("keep") == 22
    assert (verdicts[3], verdicts[4]) == ("reject", "unsure")
    assert found[3]["reasons"] == ["wrong_count"]
    assert all(line.get("retracted") for line in found[24:48])
    assert len(found) == 24 + 24 + 24 + 6


def test_the_grid_saves_nothing_of_pictures_that_nobody_saw(chromium, tmp_path):
    workspace(tmp_path, 6, levels={1: 8, 3: 8, 4: 8})
    with served(tmp_path, "--reviewer", "Ann") as running, chromium.new_context() as context:
        page, fails = context.new_page(), []
        page.route("**/picture/**", lambda route: route.abort() if route.request.url in fails else route.continue_())
        cells = page.locator(".cell")

        def grid():
            page.goto(running.address)
            page.locator("#order").select_option("margin")
            expects(page, ".text:first-child p", "caption 0")
            page.keyboard.press("g")
            page.wait_for_selector(".grid")

        grid()
        fails.append(running.address.split("/?")[0] + cells.nth(1).locator("img").get_attribute("src"))
        grid()
        assert "caption 4" in cells.nth(2).inner_text()
        page.get_by_role("button", name="Show the flagged picture 4").click()
        cells.nth(2).click()  # who marks a blurred picture has judged it
        page.get_by_role("button", name=re.compile("1 blurred stay open")).click()
        wait_done(page, 4)
        assert cells.count() == 2  # they come again
    said = {line["review_key"]: line["verdict"] for line in lines(tmp_path)}
    assert sorted(said.values()) == ["keep", "keep", "keep", "reject"]


def test_a_picture_that_is_not_there_is_not_judged_and_the_page_says_why(chromium, tmp_path):
    """As after dvc repro under an open page."""
    workspace(tmp_path, 2)
    with served(tmp_path, "--reviewer", "Ann") as running:
        workspace(tmp_path, 0)
        parts = tmp_path / "data/download/parts"
        for path in parts.iterdir():
            path.unlink()
        with opened(chromium, running.address) as page:
            page.keyboard.press("k")
            expects(page, "#alarm", re.compile("A picture is not there: .* run dvc repro"))
    assert lines(tmp_path) == []


def test_pairs_that_are_passed_over_come_again(chromium, tmp_path):
    workspace(tmp_path, 3)
    with served(tmp_path, "--reviewer", "Ann") as running, opened(chromium, running.address) as page:
        caption = page.locator(".text p").first.inner_text()
        page.keyboard.press("ArrowRight")
        expects(page, ".text:first-child p", re.compile(f"^(?!{caption}$)"))
        for number in range(2):
            page.keyboard.press("k")
            wait_done(page, number + 1)
        assert page.locator(".text p").first.inner_text() == caption
        page.keyboard.press("k")
        wait_done(page, 3)
        page.wait_for_selector(".empty")
    assert len(lines(tmp_path)) == 3


def test_filters_and_orders_are_there(chromium, tmp_path):
    workspace(tmp_path, 12, levels={3: 8})
    with served(tmp_path, "--reviewer", "Ann") as running, opened(chromium, running.address) as page:
        page.locator("#order").select_option("margin")
        expects(page, ".text:first-child p", "caption 0")
        page.locator("#filter").select_option("flagged")
        expects(page, ".text:first-child p", "caption 3")
        assert "1 in this view" in page.locator("#counts").inner_text()
        page.keyboard.press("r")
        page.wait_for_selector(".empty")
        page.locator("#filter").select_option("mine")
        page.wait_for_selector(".single")
        assert page.get_by_role("button", name="Reject").get_attribute("aria-pressed") == "true"


def test_the_next_twenty_pictures_are_there_before_they_are_asked_for(chromium, tmp_path):
    workspace(tmp_path, 60)
    with served(tmp_path, "--reviewer", "Ann") as running:
        asked = []
        with opened(chromium, running.address) as page:
            page.on("request", lambda request: asked.append(request.url))
            page.wait_for_load_state("networkidle")
            held = page.evaluate(
                "performance.getEntriesByType('resource').filter(e => e.name.includes('/picture/')).length"
            )
            assert held >= 21
            page.keyboard.press("k")
            wait_done(page, 1)
            assert page.evaluate("document.querySelector('figure img').complete")


def test_names_states_and_order_of_focus_for_screen_readers(chromium, tmp_path):
    workspace(tmp_path, 3)
    with served(tmp_path, "--reviewer", "Ann") as running, opened(chromium, running.address) as page:
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.locator("#saved").get_attribute("aria-live") == "polite"
        assert page.locator("#alarm").get_attribute("role") == "alert"
        assert page.locator("img:not([alt]), img[alt='']").count() == 0
        unnamed = page.locator("button:visible, select:visible, textarea:visible").evaluate_all(
            "all => all.filter(e => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).length"
        )
        assert unnamed == 0
        assert page.get_by_role("group", name="Do both prompts say what the picture shows?").is_visible()
        order = page.locator("[data-focus]").evaluate_all("all => all.map(e => e.dataset.focus.split(' ')[0])")
        assert order.index("verdict") < order.index("reason") < order.index("note") < order.index("on")
        assert page.locator("[tabindex]:not([tabindex='-1']):not([tabindex='0'])").count() == 0


def test_motion_is_left_out_for_those_who_ask_for_that(chromium, tmp_path):
    workspace(tmp_path, 1)
    moves = "getComputedStyle(document.querySelector('#help')).transitionDuration"
    with served(tmp_path, "--reviewer", "Ann") as running:
        for wish, expected in (("reduce", "0s"), ("no-preference", "0.12s, 0.12s")):
            with opened(chromium, running.address, reduced_motion=wish) as page:
                assert page.evaluate(moves) == expected


def test_semantic_verdicts_are_blind(chromium, tmp_path):
    workspace(tmp_path, 1)
    with served(tmp_path, "semantic", "--reviewer", "Ann") as running:
        seen = []
        with opened(chromium, running.address, watch=seen) as page:
            page.wait_for_load_state("networkidle")
            page.keyboard.press("y")
            wait_done(page, 1)
            page.keyboard.press("n")
            wait_done(page, 2)
    told = " ".join(seen)
    assert "sentence" in told
    assert not re.search(r"adapted|complex|base\b|many words|p\d/\d\d|sha256", told)
    assert [line["verdict"] for line in lines(tmp_path, "semantic/ann.jsonl")] == ["yes", "no"]


def test_three_questions_are_asked_of_a_pair_and_the_arm_is_in_the_file_alone(chromium, tmp_path):
    workspace(tmp_path, 1)
    with served(tmp_path, "preference", "--reviewer", "Ann") as running, opened(chromium, running.address) as page:
        question = "Which of the following pictures do you think is of better quality?"  # the paper's, B.4
        page.get_by_role("group", name=question).get_by_role("button", name="Right").click()
        wait_saved(page)
        assert len(lines(tmp_path, "preference/ann.jsonl")) == 1  # an answer is saved before the others are given
        page.keyboard.press("1")
        page.keyboard.press("3")
        wait_done(page, 1)
        page.keyboard.press("z")
        wait_done(page, 0)
        assert page.get_by_role("button", name="No difference").last.get_attribute("aria-pressed") == "false"
        page.keyboard.press("2")
        wait_done(page, 1)
    found = lines(tmp_path, "preference/ann.jsonl")
    assert found[0]["answers"] == {"overall": "right"}
    assert found[0]["left"] in ("base", "adapted")
    assert found[3].get("retracted")


def test_two_tabs_of_one_person_lose_no_answer(chromium, tmp_path):
    workspace(tmp_path, 1)
    with served(tmp_path, "preference", "--reviewer", "Ann") as running, opened(chromium, running.address) as first:
        second = first.context.new_page()
        second.goto(running.address)
        second.wait_for_selector(".single")
        first.get_by_role("button", name="Left").first.click()
        wait_saved(first)
        second.get_by_role("button", name="Right").last.click()  # knows nothing of the first tab's answer
        wait_saved(second)
        second.keyboard.press("z")
        wait_saved(second)
    found = lines(tmp_path, "preference/ann.jsonl")
    assert [line["answers"] for line in found if not line.get("retracted")] == [
        {"overall": "left"},
        {"flaws": "right"},
        {"overall": "left"},  # said again, after what was undone
    ]


def test_a_pair_that_is_half_answered_counts_as_begun_and_comes_again(chromium, tmp_path):
    workspace(tmp_path, 1)
    with served(tmp_path, "preference", "--reviewer", "Ann") as running, opened(chromium, running.address) as page:
        page.keyboard.press("1")
        expects(page, "#counts", "0 done, 1 begun, 6 to go")
        begun = page.locator("figure img").first.get_attribute("src")
        for _ in range(6):
            page.keyboard.press("ArrowRight")
            wait_saved(page)
            page.evaluate("document.querySelector('figure img').decode()")
        assert page.locator("figure img").first.get_attribute("src") == begun
        assert page.get_by_role("button", name="Left").first.get_attribute("aria-pressed") == "true"


def test_without_ties_there_is_no_third_button(chromium, tmp_path):
    workspace(tmp_path, 1, tie=False)
    with served(tmp_path, "preference", "--reviewer", "Ann") as running, opened(chromium, running.address) as page:
        assert page.get_by_role("button", name="No difference").count() == 0
        page.keyboard.press("3")
        page.keyboard.press("1")
        wait_saved(page)
    assert [line["answers"] for line in lines(tmp_path, "preference/ann.jsonl")] == [{"overall": "left"}]


def test_conflicts_are_decided(chromium, tmp_path):
    workspace(tmp_path, 4, overlap=1.0)
    for name, key in (("Ann", "k"), ("Bob", "r")):
        with served(tmp_path, "--reviewer", name) as running, opened(chromium, running.address) as page:
            for number in range(2):
                page.keyboard.press(key)
                wait_done(page, number + 1)
    conflicts = {line["review_key"] for line in lines(tmp_path)} & {
        line["review_key"] for line in lines(tmp_path, "triplets/bob.jsonl")
    }
    assert conflicts
    with served(tmp_path, "--reviewer", "Cem", "--adjudicate") as running, opened(chromium, running.address) as page:
        assert "Ann: keep" in page.locator(".others").inner_text()
        page.keyboard.press("g")
        assert page.locator(".opinion").all_inner_texts()[:2] == ["Ann: keep", "Bob: reject"]
        page.keyboard.press("g")
        for number in range(len(conflicts)):
            page.keyboard.press("r")
            wait_done(page, number + 1)
        page.wait_for_selector(".empty")
    ruled = lines(tmp_path, "triplets/cem.jsonl")
    assert {line["review_key"] for line in ruled} == conflicts
    assert all(line["adjudicated"] for line in ruled)
