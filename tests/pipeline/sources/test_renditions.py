import pytest

from pipeline.sources.renditions import address, spellings

CIVITAI = "https://image.civitai.com/xG1/uuid/{}/uuid.jpeg"
ORIGINAL = CIVITAI.format("original=true")


@pytest.mark.parametrize(
    ("width", "height", "side_px", "wanted"),
    [
        (2048, 2048, 512, "width=512"),
        (832, 1216, 512, "width=512"),
        (1216, 832, 512, "width=800"),  # 512 wide would be 350 high
        (1024, 600, 768, "original=true"),  # no rendition is 768 high
        (512, 512, 512, "width=512"),
        (500, 900, 256, "original=true"),  # 512 would be upscaled
        (2048, 2048, 1600, "width=1600"),
        (4096, 4096, 2048, "original=true"),
        (1300, 515, 512, "original=true"),  # 1200 wide is 475 high
        (2048, 2048, 64, "width=512"),  # never a thumbnail
        (64, 64, 64, "original=true"),
        (None, 900, 512, "original=true"),
        (900, None, 512, "original=true"),
    ],
)
def test_the_smallest_rendition_that_is_large_enough_and_not_upscaled_is_taken(width, height, side_px, wanted):
    assert address(ORIGINAL, width, height, side_px=side_px) == CIVITAI.format(wanted)


def test_an_address_of_a_thumbnail_is_never_taken():
    assert address(CIVITAI.format("width=450"), None, None, side_px=64) == ORIGINAL
    assert address(CIVITAI.format("width=450"), 1096, 1648, side_px=512) == CIVITAI.format("width=512")


@pytest.mark.parametrize(
    "url",
    [
        "https://image.lexica.art/md2/1",
        "https://imgcdn.stablediffusionweb.com/2024/10/22/a.jpg",
        "https://image-b2.civitai.com/file/civitai-media-cache/uuid/original",
        "https://image.civitai.com/short",
    ],
)
def test_other_addresses_stay_as_the_source_gives_them(url):
    assert address(url, 2048, 2048, side_px=64) == url


def test_every_rendition_has_the_same_spellings_the_original_first():
    whole = spellings(ORIGINAL)
    assert whole[0] == ORIGINAL
    assert {address(ORIGINAL, side, side, side_px=512) for side in (600, 900, 3000)} <= set(whole)
    assert spellings(CIVITAI.format("width=450")) == spellings(CIVITAI.format("width=800")) == whole
    assert spellings("https://image.lexica.art/a/b/c/d") == ("https://image.lexica.art/a/b/c/d",)
