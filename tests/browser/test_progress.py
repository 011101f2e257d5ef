"""Progress is what the services tier has taken (invariant 3), never what the browser has buffered."""

import itertools

import pytest

from tests.waiting import wait_for

MIB = 1 << 20

# Beside every picture that the bar shows: the highest offset that the page had been told by then.
RECORD = """
window.samples = [];
window.told = 0;
const plainFetch = window.fetch;
window.fetch = async (...request) => {
  const response = await plainFetch(...request);
  if (new URL(request[0], location.origin).pathname.startsWith('/u/') && response.ok) {
    const answer = await response.clone().json().catch(() => ({}));
    const taken = (answer.uploads ?? [answer]).map((upload) => upload.taken ?? 0);
    window.told = Math.max(window.told, ...taken, Number(response.headers.get('Upload-Offset')));
  }
  return response;
};
const look = () => {
  const row = document.querySelector('li.file[data-state=sending]');
  const bar = row?.querySelector('progress');
  if (bar) {
    window.samples.push({value: bar.value, max: bar.max, told: window.told, text: row.querySelector('[data-part=taken]').textContent});
  }
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


@pytest.fixture
def slow_upload(uploads, line, sized):
    """A row under way at 8 MiB/s."""
    uploads.page.evaluate(RECORD)
    line.rate = 8 * MIB
    uploads.upload("demo", sized("slow.zip", 64 * MIB))
    row = uploads.row("slow.zip")
    row.expect_state("sending")
    return row


def test_progress_never_runs_backwards_nor_ahead_of_what_was_acknowledged(slow_upload):
    slow_upload.expect_stored()
    samples = slow_upload.element.page.evaluate("window.samples")
    values = [sample["value"] for sample in samples]
    assert len(set(values)) > 20, "the bar glides"
    assert all(before <= after for before, after in itertools.pairwise(values))
    assert all(sample["value"] <= sample["told"] for sample in samples)
    for sample in samples:
        if sample["value"] == sample["max"] or "(100 %)" in sample["text"]:
            assert sample["told"] == sample["max"]


def test_the_bar_is_never_ahead_of_the_bytes_on_the_nas(slow_upload, stack):
    bar, compared = slow_upload.part("bar"), 0
    # Ids sort by time, and uploads of other tests may be waiting there.
    own = wait_for(lambda: max(stack.staged(), default=None))
    while slow_upload.element.get_attribute("data-state") == "sending":
        shown = bar.evaluate("bar => bar.value")
        try:
            staged = own.stat().st_size
        except FileNotFoundError:
            break  # published meanwhile
        assert shown <= staged
        compared += shown > 0
    slow_upload.expect_stored()
    assert compared > 5


def test_speed_and_time_left_come_near_the_truth(slow_upload):
    pace = slow_upload.part("pace")
    pace.filter(has_text="MiB/s, ").wait_for()
    assert "left" in pace.text_content()
    # The first seconds are faster than the line: buffers on the way fill up.
    wait_for(lambda: 5 < float(pace.text_content().split(" MiB/s")[0]) < 12)
    slow_upload.expect_stored()


def test_a_stalled_line_is_named_and_goes_on(slow_upload, line):
    line.rate = 1024
    slow_upload.part("pace").filter(has_text="No new bytes are arriving; still trying").wait_for()
    line.rate = None
    slow_upload.expect_stored()
