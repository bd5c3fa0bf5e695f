import pytest

from bench.scale import words


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (words.size(0), "–"),
        (words.size(999), "999 B"),
        (words.size(131_072), "131 kB"),
        (words.size(2.36e10), "24 GB"),
        (words.size(2.2e18), "2,200 PB"),
        (words.flop(1.9e16), "19 P"),
        (words.flop(0), "–"),
        (words.seconds(0), "–"),
        (words.seconds(0.5), "0.5 s"),
        (words.seconds(119), "119 s"),
        (words.seconds(2 * 3600), "2.0 h"),
        (words.seconds(15.85 * 365 * 86400), "16 years"),
        (words.hours(0), "–"),
        (words.hours(0.138), "0.14"),
        (words.hours(3e-5), "< 0.001"),
        (words.usd(3.333), "3.33"),
        (words.usd(123_456), "120,000"),
        (words.count(0), "–"),
        (words.count(57_603), "57,603"),
        (words.count(7.06e6), "7.1 million"),
        (words.count(1e9), "1.0 billion"),
        (words.against(10, 10), "holds"),
        (words.against(35, 10), "**3.5 x**"),
    ],
)
def test_numbers_read_well(told, expected):
    assert told == expected
