import base64
import io
import re

import pytest
from PIL import Image

from pipeline.demo import server
from pipeline.errors import InputError
from pipeline.generating import Pair
from pipeline.sampling import png

HOST = "127.0.0.1:8770"


class Drawer:
    """Draws squares whose colours say what was asked."""

    eta = 0.5

    def __init__(self):
        self.asked = []

    def pair(self, prompt, seed, *, eta, method, source):
        self.asked.append((prompt, seed, eta, method, source and source.size))
        if prompt == "wrong":
            raise InputError("method seg needs a conditioning picture: --condition FILE")
        base, adapted = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
        return Pair(base, adapted, source)


@pytest.fixture
def drawer():
    return Drawer()


@pytest.fixture
def page(drawer):
    return server.application(drawer, ["none", "sag", "seg"], [HOST]).test_client()


def sent(page, headers=None, **form):
    return page.post("/", data=form, headers={"Host": HOST, **(headers or {})}, content_type="multipart/form-data")


def test_the_page_begins_with_the_trained_eta(page):
    text = page.get("/", headers={"Host": HOST}).get_data(as_text=True)
    assert 'value="0.5"' in text
    assert "<img" not in text
    assert "<option>seg</option>" in text


def test_base_stands_beside_ours(page, drawer):
    answer = sent(page, prompt="two <b>red</b> squares", eta="0.25", seed="7", method="sag")
    text = answer.get_data(as_text=True)
    assert drawer.asked == [("two <b>red</b> squares", 7, 0.25, "sag", None)]
    assert "two &lt;b&gt;red&lt;/b&gt; squares" in text
    pictures = [base64.b64decode(found) for found in re.findall(r'base64,([^"]+)"', text)]
    assert [Image.open(io.BytesIO(picture)).getpixel((0, 0)) for picture in pictures] == [(255, 0, 0), (0, 0, 255)]
    assert "adapted, eta 0.25" in text


def test_a_conditioning_picture_is_taken_and_shown(page, drawer):
    given = (io.BytesIO(png(Image.new("RGB", (9, 5), "lime"))), "given.png")
    text = sent(page, prompt="two", eta="1", seed="0", method="seg", condition=given).get_data(as_text=True)
    assert drawer.asked[0][-1] == (9, 5)
    assert text.count("base64,") == 3
    assert "shown to seg" in text


def test_a_mistake_is_told_on_the_page(page):
    answer = sent(page, prompt="wrong", eta="1", seed="0", method="seg")
    assert answer.status_code == 400
    assert "needs a conditioning picture: choose a file" in answer.get_data(as_text=True)
    broken = (io.BytesIO(b"no picture"), "given.png")
    assert sent(page, prompt="two", eta="1", seed="0", method="seg", condition=broken).status_code == 400


@pytest.mark.parametrize("changed", [{"eta": "2"}, {"seed": "-1"}, {"method": "none such"}, {"prompt": "x" * 1001}])
def test_what_the_form_cannot_send_is_refused(page, drawer, changed):
    answer = sent(page, **{"prompt": "two", "eta": "1", "seed": "0", "method": "sag", **changed})
    assert answer.status_code == 400
    assert f'alert">{next(iter(changed))} should ' in answer.get_data(as_text=True)
    assert drawer.asked == []


@pytest.mark.parametrize("headers", [{"Host": "evil.example:8770"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_site_cannot_use_the_page(page, drawer, headers):
    assert sent(page, headers, prompt="two", eta="1", seed="0", method="sag").status_code == 403
    assert drawer.asked == []


def test_the_page_may_load_nothing_from_elsewhere(page):
    policy = page.get("/", headers={"Host": HOST}).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "img-src data:" in policy
