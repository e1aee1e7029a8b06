"""Worksheets and pictures for votes: what is computed is right, and a sheet does not show its key."""

import re

import pytest

import ballots
import teaching
import worksheets
from unet_tutorial import records, sizing


def words(page):
    return re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)


@pytest.mark.parametrize("name", worksheets.MAKERS)
def test_a_sheet_has_its_words_and_minutes_and_nothing_of_its_key(name):
    said, sheet = teaching.sheets()[name], worksheets.made(name)
    assert set(teaching.sheets()) == set(worksheets.MAKERS) and said["minutes"] > 0
    assert said["title"] in sheet.page and f"{said['title']}: the key" in sheet.key
    assert "class='who'" in sheet.page and sheet.page != sheet.key
    new = set(re.findall(r"\d[\d,.]*\d", words(sheet.key))) - set(re.findall(r"\d[\d,.]*\d", words(sheet.page)))
    assert new, "the key has numbers that the sheet has not"


def test_the_empty_u_has_boxes_and_no_numbers_and_its_key_is_the_map():
    sheet = worksheets.made("empty_u")
    drawing = re.search(r"<svg.*</svg>", sheet.page, re.S)[0]
    assert not re.search(r"\d+ × \d+ × \d+", drawing) and "encoder 1" in drawing
    for one in sizing.feature_maps(256, 256):
        assert f"{one.channels} × {one.height} × {one.width}" in sheet.key
    assert "4,194,304" in sheet.key


def test_the_counted_block_is_that_of_the_package():
    key = worksheets.made("counting").key
    assert f"{sizing.double_conv_parameters(64, 128):,}" in key and "221,184" in key and "221,952" in key
    assert "221,696" not in worksheets.made("counting").page


def test_the_field_grows_to_what_the_package_says():
    key = worksheets.made("receptive_field").key
    first, last = sizing.receptive_field("bottleneck", depth=4)
    assert re.search(rf"second 3×3 convolution of bottleneck</td><td>{last - first + 1}<", key)


def test_every_curve_has_a_learning_rate_and_a_reason():
    key = worksheets.made("curves").key
    for run in records.load("training")["runs"]:
        assert f"<td>{run['learning_rate']:g}</td>" in key
    assert len(set(re.findall(r"<td>([A-D])</td>", key))) == 4


def test_the_judged_prediction_is_counted():
    truth, marked = 16, 12
    both = 9
    key = worksheets.made("judging").key
    assert f"{both} / {truth + marked - both} = {both / (truth + marked - both):.2f}" in key
    assert f"{2 * both} / {truth + marked} = {2 * both / (truth + marked):.2f}" in key


def test_the_exit_ticket_asks_what_the_plan_says_and_the_key_says_why_not():
    sheet = worksheets.ticket("90_minutes")
    (step,) = [step for step in teaching.load("90_minutes")["sessions"][0]["steps"] if "ticket" in step]
    for reference in step["ticket"]:
        asked = teaching.question(reference)
        right = asked["options"][asked["right"]]
        assert worksheets.markdown(right["reply"], inline=True) in sheet.key
        assert worksheets.markdown(right["reply"], inline=True) not in sheet.page


def test_an_unknown_sheet_or_vote_is_refused():
    with pytest.raises(ValueError, match="no worksheet is called 'nothing'"):
        worksheets.made("nothing")
    with pytest.raises(ValueError, match="no pictures for a vote are called 'nothing'"):
        ballots.made("nothing")


def test_the_pictures_for_votes_do_not_tell_and_their_keys_are_measured():
    threshold, skips = ballots.made("threshold"), ballots.made("skips")
    assert len(threshold.pages) == 1 and len(skips.pages) == 3
    for ballot in (threshold, skips):
        assert all(not re.search("threshold|connection|network", page.alt) for page in ballot.pages)
    letters = [re.search(r"\*\*([AB])\*\*", line)[1] for line in skips.key[:3]]
    assert set(letters) == {"A", "B"}, "no letter is right every time"
    with_them, without = map(int, re.findall(r"(\d+) wrong pixels with, (\d+) without", skips.key[3])[0])
    assert with_them < without
    network, by_threshold = (float(re.search(r"IoU (0\.\d+)", threshold.key[place])[1]) for place in (1, 0))
    assert by_threshold < network


def test_a_heading_is_nothing_but_its_words():
    assert (
        worksheets.markdown("## When it fails\n\nTry again.")
        == '<h2 id="When-it-fails">When it fails</h2><p>Try again.</p>'
    )
