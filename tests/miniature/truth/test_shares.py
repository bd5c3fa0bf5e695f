from miniature.truth.shares import counted, interval, said, share


def test_a_share_of_nothing_is_a_dash():
    assert share(0, 0) is None
    assert said(share(0, 0)) == "–"
    assert interval(0, 0) is None
    assert counted(0, 0) == "0 of 0 (–)"


def test_shares_are_written_as_per_cent_with_their_counts():
    assert share(1, 3) == 0.3333
    assert counted(1_500, 3_000) == "1,500 of 3,000 (50.0 %)"


def test_the_interval_is_wilsons():
    # Wilson 1927 by hand for 8 of 10 and z = 1.96: (0.8 + 0.19208 +- 0.31362) / 1.38416
    assert interval(8, 10) == [0.4902, 0.9433]
