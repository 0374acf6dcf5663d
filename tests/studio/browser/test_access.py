"""For everyone: axe finds no serious fault, keys are enough, a phone is wide enough, and nothing moves unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.studio.browser.programs import Desk
from tests.support.accessibility import faults

if TYPE_CHECKING:
    from scripts.studio_page import StudioPage

pytestmark = pytest.mark.browser

LOOKS = {
    "dark": {"scheme": "dark"},
    "light": {"scheme": "light"},
    "phone dark": {"size": (390, 844), "scheme": "dark"},
    "phone light": {"size": (390, 844), "scheme": "light"},
}
"""Windows and colours."""
TABS = ("Recording", "Face", "Fine-grained emotions", "Edit", "Shapes", "Export", "Live")


@pytest.fixture(params=LOOKS)
def looked(request: pytest.FixtureRequest, shared_desk: Desk, shared_server: Any) -> Any:
    yield shared_desk.fresh(shared_server, **LOOKS[request.param])
    shared_desk.check_pages()


def test_axe_finds_no_serious_fault(looked: StudioPage) -> None:
    assert faults(looked.page) == []
    for name in TABS:
        looked.page.get_by_role("tab", name=name).click()
        looked.settle(0.2)
        assert faults(looked.page) == [], name


def test_axe_in_help_log_and_menu(looked: StudioPage) -> None:
    looked.page.locator("#help-open").click()
    assert faults(looked.page) == []
    looked.page.keyboard.press("Escape")
    looked.page.locator("#log-open").click()
    assert faults(looked.page) == []
    looked.page.keyboard.press("Escape")
    looked.page.evaluate("() => document.querySelector('#timeline').scrollIntoView({ block: 'center' })")
    looked.page.mouse.click(looked.x(1.0), looked.y("emotion"), button="right")
    looked.page.get_by_role("menu").wait_for()
    assert faults(looked.page) == []


def test_a_phone_needs_no_scrolling_sideways(shared_desk: Desk, shared_server: Any) -> None:
    page = shared_desk.fresh(shared_server, size=(390, 844), has_touch=True, is_mobile=True, device_scale_factor=2)
    for name in TABS:
        page.page.get_by_role("tab", name=name).click()
        widths = page.page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= 390, name
        assert widths[1] == 390
    cut = page.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, a[href], [role=tab]")]
          .filter((e) => e.checkVisibility())
          .map((e) => [e.id || e.textContent.trim(), e.getBoundingClientRect()])
          .filter(([, b]) => b.width && (b.right > innerWidth + 1 || b.left < -1))
          .map(([name]) => name)"""
    )
    assert cut == []
    assert page.page.locator("#follow").is_visible()
    with page.changing():
        page.page.touchscreen.tap(page.x(1.0), page.y("emotion"))
        page.page.get_by_role("tab", name="Edit").click()
        page.page.locator("[data-label=fear]").click()
    shared_desk.check_pages()


def test_everything_by_keys(page: StudioPage) -> None:
    """From the top of the page by Tab to each control; then an edit without a mouse."""
    reached = []
    for _ in range(80):
        page.page.keyboard.press("Tab")
        here = page.page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
              const b = e.getBoundingClientRect();
              return [e.id || e.getAttribute("aria-label") || e.textContent.trim().slice(0, 30), e.tagName,
                      s.outlineStyle !== "none" || s.boxShadow !== "none", b.width > 0 && b.height > 0,
                      e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.textContent.trim()
                        || e.labels?.[0]?.textContent]; }"""
        )
        if here[1] == "BODY":
            break
        reached.append(here)
    names = [row[0] for row in reached]
    for wanted in (
        "compare",
        "project-open",
        "project-save",
        "theme",
        "help-open",
        "play",
        "split",
        "segments",
        "zoom-in",
    ):
        assert wanted in names, names
    assert [row[0] for row in reached if not row[4]] == []  # all have names
    assert [row[0] for row in reached if row[3] and not row[2]] == []  # the focus is seen

    page.page.locator("#segments").focus()
    page.page.keyboard.press("ArrowDown")
    page.wait("window.studio.selected >= 0")
    selected = page.read("selected")
    option = page.page.locator("#segments [aria-selected=true]")
    assert option.count() == 1
    with page.changing():
        page.page.keyboard.press("7")
    assert page.segments[selected]["label"] == "surprise"
    assert "Surprise" in option.text_content()
    page.wait("/surprise/i.test(document.querySelector('#announce').textContent)")
    page.page.keyboard.press("?")
    assert page.page.get_by_role("dialog", name="Keyboard").is_visible()
    page.page.keyboard.press("Escape")
    assert page.page.evaluate("() => document.activeElement.id") == "segments"  # back where it was


def test_what_a_screen_reader_says_of_controls(page: StudioPage) -> None:
    """Values that change with the cursor are no announcements, and each button says what it is about."""
    nodes = []
    for tab in ("Edit", "Shapes"):
        page.page.get_by_role("tab", name=tab).click()
        page.settle()
        nodes += page.context.new_cdp_session(page.page).send("Accessibility.getFullAXTree")["nodes"]
    shown = [node for node in nodes if not node["ignored"]]
    said = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in shown]
    assert ("button", "Expressivity 1.00: back to 1.00") in said
    assert [name for role, name in said if role == "button" and not any(map(str.isalpha, name))] == []
    places = page.page.evaluate(
        """() => [...document.querySelectorAll("[role=status], [role=alert], [aria-live=polite], output")]
          .filter((e) => e.getAttribute("aria-live") !== "off" && e.getAttribute("role") !== "button")
          .map((e) => e.id)"""
    )
    assert sorted(places) == ["announce", "stage-message", "status-job"]


def test_reduced_motion_is_respected(shared_desk: Desk, shared_server: Any) -> None:
    page = shared_desk.fresh(shared_server, reduced_motion="reduce")
    page.page.locator("#help-open").click()
    moving = page.page.evaluate(
        """() => [...document.querySelectorAll("*")].filter((e) => {
          const s = getComputedStyle(e);
          const all = [s.transitionDuration, s.animationDuration].flatMap((d) => d.split(","));
          return Math.max(...all.map(parseFloat)) > 0.011;
        }).map((e) => e.tagName + "#" + e.id + "." + e.className)"""
    )
    assert moving == []
    shared_desk.check_pages()


def test_the_chosen_look_is_kept(page: StudioPage) -> None:
    def ground() -> str:
        return str(page.page.evaluate("() => getComputedStyle(document.body).backgroundColor"))

    dark = ground()
    page.page.locator("#theme").click()
    light = ground()
    assert light != dark
    page.page.reload()
    page.ready()
    assert ground() == light


def test_undo_in_a_field_is_of_what_is_typed_there(page: StudioPage) -> None:
    page.page.keyboard.press("ArrowDown")
    with page.changing():
        page.page.keyboard.press("7")
    page.page.get_by_role("tab", name="Shapes").click()
    field = page.page.get_by_label("Filter shapes by name")
    field.focus()
    page.page.keyboard.type("jaw")
    page.page.keyboard.press("Control+z")
    page.settle()
    assert field.input_value() == ""
    assert page.read("state.can_undo")
    page.page.get_by_role("tab", name="Edit").click()
    seed = page.page.get_by_label("Seed")
    seed.fill("5")
    with page.changing():
        page.page.keyboard.press("Enter")
    with page.changing():  # taken over: a step of the history
        page.page.keyboard.press("Control+z")
    assert page.read("document.settings.seed") != 5


def test_a_button_that_has_nothing_to_do_any_more_keeps_the_focus(page: StudioPage) -> None:
    page.page.keyboard.press("ArrowDown")
    with page.changing():
        page.page.keyboard.press("7")
    page.page.locator("#undo").focus()
    while page.read("state.can_undo"):  # also what tests before this one have edited
        with page.changing():
            page.page.keyboard.press("Enter")
    assert page.page.locator("#undo").get_attribute("aria-disabled") == "true"
    assert page.page.evaluate("() => document.activeElement.id") == "undo"
    revision = page.revision
    page.page.keyboard.press("Enter")
    page.settle()
    assert page.revision == revision
