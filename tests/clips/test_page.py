"""The page of a clip, in a real browser: what it loads, shows and does when it is played and stepped through."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from helpers.files import save
from helpers.geometry import BOTTOM, OBSERVATION, SCREEN, TOP
from helpers.tables import write_tables
from PIL import Image
from searchlight.clips.draw import Style
from searchlight.clips.page import write_page
from searchlight.clips.render import render_gameplay, render_method
from searchlight.config.views import LAYERS, STRIP_HEIGHT
from searchlight.errors import SearchlightError
from searchlight.measures import Row
from searchlight.store.zarr import Variable, load

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STYLE = Style(style="notebook", gamma=1, zoom=1, opacity=0.8, highlight="#ff0000", actor="#3060ff", critic="#ff2020")
FIRST, COUNT, FPS = 95, 40, 20
PLAYED = 15
GREATEST_DRIFT = 3 / FPS
METHODS = ("occlusion", "greydanus")
# The first method marks what the actor sees everywhere, the second what the critic sees.
MAPS = {"occlusion": (SCREEN, 1, 0), "greydanus": (OBSERVATION, 0, 1)}
ABOUT = {
    "occlusion": {
        "made_by": "SlidingWindow on the screen, fill 0, OcclusionScoring of the logits",
        "compared": "logits",
        "signed": False,
        "scale": "frame",
    },
    "greydanus": {
        "made_by": "SlidingRadial on the observation, blur 3, SquaredDifference of the logits",
        "compared": "logits",
        "signed": False,
        "scale": "clip",
    },
}
VIDEOS = ("left", "middle", "right")
# Black in every frame, on rows that the agent sees: a video shows the map's colour alone.
BLACK_SPOT = (slice(STRIP_HEIGHT + 120, STRIP_HEIGHT + 150), slice(20, 140))
ANSWERING = "() => [...document.querySelectorAll('video')].every(video => video.readyState >= 2 && !video.seeking)"
TIMES = "() => [...document.querySelectorAll('video')].map(video => video.currentTime)"
# The greatest distance between two videos' times in any animation frame of playing.
WATCH_DRIFT = """() => {
    window.drift = {greatest: 0, samples: 0};
    const videos = [...document.querySelectorAll('video')], button = document.getElementById('play');
    const sample = () => {
        if (button.textContent === 'Pause') {
            const times = videos.map(video => video.currentTime);
            window.drift.greatest = Math.max(window.drift.greatest, Math.max(...times) - Math.min(...times));
            window.drift.samples += 1;
        }
        requestAnimationFrame(sample);
    };
    requestAnimationFrame(sample);
}"""
DRAW = """id => {
    const video = document.getElementById(id), canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d').drawImage(video, 0, 0);
    return canvas.toDataURL('image/png').split(',')[1];
}"""


@dataclass(frozen=True)
class Clip:
    """The files that a page is made of."""

    stores: list[Path]
    gameplay: Path
    videos: list[Path]

    def write_page(
        self,
        path: Path,
        clip: str = "demo",
        methods: tuple[str, ...] = METHODS,
        measures: tuple[Path, Path] | None = None,
    ) -> Path:
        colours = {"actor": STYLE.actor, "critic": STYLE.critic, "raises": "#fe6100", "lowers": "#00b4ff"}
        write_page(
            self.stores,
            self.gameplay,
            self.videos,
            path,
            clip=clip,
            methods=methods,
            gains=[1] * len(methods),
            fps=FPS,
            colours=colours,
            measures=measures,
        )
        return path

    def facts(self, name: str) -> np.ndarray:
        with load(self.stores[0]) as store:
            return store.read(name)


@dataclass
class Visit:
    """A page open in a browser, with all that it asked for and complained of."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        return self.page.inner_text(f"#{name}")

    def texts(self, selector: str) -> list[str]:
        return self.page.eval_on_selector_all(selector, "found => found.map(element => element.textContent)")

    def wait_for_videos(self) -> None:
        self.page.wait_for_function(ANSWERING)

    def wait_for_frame(self, frame: int) -> None:
        """Wait until playing has come to a frame."""
        self.page.wait_for_function("least => Number(document.getElementById('slider').value) >= least", arg=frame)

    def frame_counter(self) -> int:
        return int(self.text("frame").removeprefix("frame ").removesuffix(f" of {COUNT}")) - 1

    def times(self) -> list[float]:
        return self.page.evaluate(TIMES)

    def picture(self, video: str) -> np.ndarray:
        """The RGB picture that a video shows."""
        png = base64.b64decode(self.page.evaluate(DRAW, video))
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)

    def colour(self, video: str) -> list[int]:
        """What a video shows where the game is black."""
        return self.picture(video)[BLACK_SPOT].mean(axis=(0, 1)).round().astype(int).tolist()

    def is_on(self, frame: int) -> None:
        """Check that the counter, the slider and all videos are on a frame."""
        self.wait_for_videos()
        assert self.frame_counter() == frame
        assert self.page.input_value("#slider") == str(frame)
        # A video that was seeked into its last frame may say that it has ended.
        assert [min(int(time * FPS), COUNT - 1) for time in self.times()] == [frame] * 3


Open = Callable[[Path], Visit]


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def store_of(method: str, episode_path: Path, path: Path) -> Path:
    """Write a method's store of the clip's frames, as they are in the episode, with flat maps."""
    rows = slice(FIRST, FIRST + COUNT)
    size, actor, critic = MAPS[method]
    axes = ("y", "x") if size == SCREEN else ("observation_y", "observation_x")
    with load(episode_path) as episode:
        names = ("frame", "action", "value", "logits", "probability", "reward")
        copied = {
            name: Variable(episode.dimensions(name), episode.read(name, rows), episode.about(name)) for name in names
        }
        kept = ("agent", "environment", "seed", "action_meanings", "output")
        about = {name: episode.attributes[name] for name in kept}
        before = episode.read("reward", slice(0, FIRST)).sum()
    rewards = copied["reward"].data
    variables = {
        **copied,
        "actor": Variable(("time", *axes), np.full((COUNT, *size), actor, np.float32)),
        "critic": Variable(("time", *axes), np.full((COUNT, *size), critic, np.float32)),
        "actor_peak": Variable(("time",), np.full(COUNT, actor, np.float32)),
        "critic_peak": Variable(("time",), np.full(COUNT, critic, np.float32)),
        "time": Variable(("time",), np.arange(rows.start, rows.stop)),
        "score": Variable(("time",), before + np.cumsum(rewards) - rewards),
    }
    save(path, variables, {**about, **ABOUT[method], "seen": [TOP, BOTTOM, 0, SCREEN[1]]})
    return path


@pytest.fixture(scope="module")
def clip(episode_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    folder = tmp_path_factory.mktemp("clip")
    gameplay = folder / "gameplay.mp4"
    render_gameplay(episode_path, gameplay, clip="demo", frames=(FIRST, FIRST + COUNT - 1), zoom=STYLE.zoom, fps=FPS)
    stores, videos = [], []
    for method in METHODS:
        stores.append(store_of(method, episode_path, folder / f"{method}.zarr.zip"))
        outputs = {layer: folder / f"{method}.{layer}.mp4" for layer in LAYERS}
        render_method(stores[-1], outputs, style=STYLE, gain=1, fps=FPS)
        videos.extend(outputs.values())
    return Clip(stores, gameplay, videos)


@pytest.fixture(scope="module")
def page_path(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip.write_page(tmp_path_factory.mktemp("page") / "index.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = next((found for name in CHROMIUMS if (found := shutil.which(name))), None)
    if executable is None:
        pytest.skip("there is no Chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Open]:
    """Open a page by its file:// address. At the end it must have requested nothing else and logged no error."""
    visits = []

    def open_page(path: Path) -> Visit:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(20_000)
        opened = Visit(page)
        visits.append(opened)
        page.on("request", lambda request: opened.requests.append(request.url))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: opened.complaints.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.goto(path.as_uri())
        opened.wait_for_videos()
        return opened

    yield open_page
    for opened in visits:
        opened.page.close()
        assert opened.complaints == []
        assert [url for url in opened.requests if not url.startswith(("file:", "blob:", "data:"))] == []


@pytest.fixture
def opened(visit: Open, page_path: Path) -> Visit:
    return visit(page_path)


def test_page_loads_three_videos_from_one_file(opened: Visit, page_path: Path, clip: Clip) -> None:
    assert opened.page.title() == "demo – Searchlight"
    assert opened.text("title") == "demo"
    assert [url for url in opened.requests if url.startswith("file:")] == [page_path.as_uri()]
    videos = opened.page.evaluate(
        "() => [...document.querySelectorAll('video')].map(v => [v.duration, v.videoWidth, v.videoHeight])"
    )
    assert videos == [[pytest.approx(COUNT / FPS, abs=0.01), SCREEN[1], SCREEN[0] + STRIP_HEIGHT]] * 3
    opened.is_on(0)


def test_page_describes_methods_and_episode(opened: Visit) -> None:
    with_blur = "greydanus: SlidingRadial on the observation, blur 3, SquaredDifference of the logits, scaled by clip"
    assert opened.text("about").startswith("breakout plays Breakout-v0, seed 1. occlusion: SlidingWindow on the screen")
    opened.page.click("text=greydanus")
    assert with_blur in opened.text("about")


def test_facts_equal_those_in_the_store(opened: Visit, clip: Clip) -> None:
    with load(clip.stores[0]) as store:
        meanings = store.attributes["action_meanings"]
    step, score, value, action, probability = map(clip.facts, ("time", "score", "value", "action", "probability"))
    for frame in (0, 17, COUNT - 1):
        opened.page.fill("#slider", str(frame))
        assert int(opened.text("step")) == FIRST + frame == step[frame]
        assert float(opened.text("score")) == score[frame]
        assert float(opened.text("value")) == pytest.approx(value[frame], abs=0.0051)
        assert opened.text("action") == meanings[action[frame]]
        cells = opened.texts("#outputs > span")
        assert cells[0::3] == meanings
        percents = [int(text.removesuffix(" %")) for text in cells[2::3]]
        assert percents == pytest.approx(100 * probability[frame], abs=0.51)
        assert opened.texts(".taken") == [meanings[action[frame]]]


def test_outputs_without_valid_range_are_shown_as_numbers(clip: Clip, tmp_path: Path, visit: Open) -> None:
    values = np.linspace(-3, 5, 4 * COUNT, dtype=np.float32).reshape(COUNT, 4)
    stores = []
    for path in clip.stores:
        with load(path) as store:
            kept = [name for name in store.names() if name not in ("logits", "probability")]
            variables = {name: Variable(store.dimensions(name), store.read(name)) for name in kept}
            variables["q_values"] = Variable(("time", "action_index"), values, {"long_name": "Q-values"})
            stores.append(tmp_path / path.name)
            save(stores[-1], variables, {**store.attributes, "output": "q_values", "compared": "Q-values"})
    opened = visit(replace(clip, stores=stores).write_page(tmp_path / "index.html"))
    for frame in (0, COUNT - 1):
        opened.page.fill("#slider", str(frame))
        assert opened.texts("#outputs > span")[2::3] == [f"{value:.2f}" for value in values[frame]]
    widths = opened.page.eval_on_selector_all("#outputs i", "found => found.map(element => element.style.width)")
    assert widths[-1] == "100%"
    assert opened.texts("#outputs-name") == ["Q-values of each action"]
    assert opened.texts("#right-name") == ["critic (value)"]
    assert opened.texts("#middle-name") == ["actor (Q-values)"]


def test_signed_maps_have_two_colours_with_words(clip: Clip, tmp_path: Path, visit: Open) -> None:
    stores = []
    compared = "log-probability of the chosen action"
    signed = {"made_by": f"a scorer of the {compared} with its sign", "compared": compared, "signed": True}
    for path in clip.stores:
        with load(path) as store:
            variables = {
                name: Variable(store.dimensions(name), store.read(name), store.about(name)) for name in store.names()
            }
            stores.append(tmp_path / path.name)
            save(stores[-1], variables, {**store.attributes, **(signed if path == clip.stores[0] else {})})
    opened = visit(replace(clip, stores=stores).write_page(tmp_path / "index.html"))
    assert "occlusion: a scorer of the log-probability of the chosen action with its sign, scaled by" in opened.text(
        "about"
    )
    legend = "what ■ raises and ■ lowers it"
    assert opened.text("middle-name") == f"actor (policy: {compared}), {legend}"
    assert opened.text("right-name") == f"critic (value), {legend}"
    colours = opened.page.eval_on_selector_all("#middle-name span", "found => found.map(one => one.style.color)")
    assert colours == ["rgb(254, 97, 0)", "rgb(0, 180, 255)"]
    opened.page.click("text=both in one frame")
    opened.wait_for_videos()
    assert opened.text("middle-name") == "■ actor and ■ critic in one frame"
    opened.page.click("text=greydanus")
    opened.wait_for_videos()
    assert opened.text("right-name") == "actor (policy: logits)"


def test_clip_of_these_tests_has_rewards_and_several_actions(clip: Clip) -> None:
    for name in ("score", "action", "value", "probability"):
        assert len(np.unique(clip.facts(name))) > 1, name


def test_buttons_step(opened: Visit) -> None:
    for _ in range(3):
        opened.page.click("#forward")
    opened.is_on(3)
    opened.page.click("#back")
    opened.is_on(2)


def test_stepping_stops_at_both_ends(opened: Visit) -> None:
    opened.page.click("#back")
    opened.is_on(0)
    opened.page.fill("#slider", str(COUNT - 1))
    opened.page.click("#forward")
    opened.is_on(COUNT - 1)


def test_arrow_keys_step(opened: Visit) -> None:
    for _ in range(4):
        opened.page.keyboard.press("ArrowRight")
    opened.is_on(4)
    opened.page.keyboard.press("ArrowLeft")
    opened.is_on(3)


def test_arrow_keys_move_a_focused_slider_once(opened: Visit) -> None:
    opened.page.focus("#slider")
    opened.page.keyboard.press("ArrowRight")
    opened.is_on(1)


def test_arrow_keys_with_a_modifier_do_not_step(opened: Visit) -> None:
    opened.page.fill("#slider", "5")
    opened.page.evaluate("document.activeElement.blur()")
    for modifier in ("Alt", "Control", "Meta"):
        opened.page.evaluate(
            "modifier => document.body.dispatchEvent(new KeyboardEvent('keydown', "
            "{key: 'ArrowRight', bubbles: true, [`${modifier.toLowerCase().replace('control', 'ctrl')}Key`]: true}))",
            modifier,
        )
    opened.is_on(5)


def test_click_on_the_chart_seeks(opened: Visit) -> None:
    box = opened.page.locator("#chart").bounding_box()
    opened.page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 20)
    opened.wait_for_videos()
    assert abs(opened.frame_counter() - (COUNT - 1) / 2) <= 1
    opened.is_on(opened.frame_counter())


def test_every_video_shows_the_frame_that_the_counter_names(opened: Visit, clip: Clip) -> None:
    # The strip names the step, so no two frames are alike.
    strips = {
        video: np.stack([picture[:STRIP_HEIGHT].astype(int) for picture in decoded(path)])
        for video, path in {"left": clip.gameplay, "middle": clip.videos[0], "right": clip.videos[1]}.items()
    }
    for frame in (0, 1, 9, 10, 23, 22, COUNT - 1):
        opened.page.fill("#slider", str(frame))
        opened.is_on(frame)
        for video, known in strips.items():
            distances = np.abs(known - opened.picture(video)[:STRIP_HEIGHT]).mean(axis=(1, 2, 3))
            assert int(distances.argmin()) == frame, video


def test_videos_play_in_step_to_the_end(opened: Visit) -> None:
    opened.page.evaluate(WATCH_DRIFT)
    opened.page.click("#play")
    assert opened.text("play") == "Pause"
    opened.wait_for_frame(PLAYED)
    opened.page.wait_for_function("() => document.getElementById('play').textContent === 'Play'")
    opened.is_on(COUNT - 1)
    drift = opened.page.evaluate("window.drift")
    assert drift["samples"] > PLAYED
    assert drift["greatest"] < GREATEST_DRIFT
    assert all(opened.page.evaluate("() => [...document.querySelectorAll('video')].map(video => video.paused)"))


def test_slow_video_catches_up(opened: Visit) -> None:
    opened.page.click("#play")
    opened.wait_for_frame(8)
    opened.page.evaluate("() => { $('right').currentTime = 0; }")
    opened.page.wait_for_function(
        "() => $('play').textContent === 'Pause' && !$('right').seeking"
        " && Math.abs($('right').currentTime - $('left').currentTime) < 0.05"
    )


def test_play_at_the_end_starts_again(opened: Visit) -> None:
    opened.page.fill("#slider", str(COUNT - 1))
    opened.is_on(COUNT - 1)
    opened.page.click("#play")
    opened.page.wait_for_function("() => { const at = Number($('slider').value); return at > 0 && at < 20; }")


def test_space_plays_and_pauses(opened: Visit) -> None:
    opened.page.keyboard.press("Space")
    opened.wait_for_frame(3)
    opened.page.keyboard.press("Space")
    assert opened.text("play") == "Play"
    opened.is_on(opened.frame_counter())


def test_space_plays_after_the_slider_was_used(opened: Visit) -> None:
    opened.page.focus("#slider")
    opened.page.keyboard.press("Space")
    assert opened.text("play") == "Pause"


def test_speed_applies_to_all_videos(opened: Visit) -> None:
    opened.page.select_option("#speed", "0.25")
    opened.page.click("#play")
    opened.wait_for_frame(2)
    rates = opened.page.evaluate("() => [...document.querySelectorAll('video')].map(video => video.playbackRate)")
    assert rates == pytest.approx([0.25] * 3, rel=0.1)


def test_stepping_while_playing_pauses(opened: Visit) -> None:
    opened.page.click("#play")
    opened.wait_for_frame(5)
    opened.page.click("#forward")
    assert opened.text("play") == "Play"
    opened.is_on(opened.frame_counter())


BLACK, RED, ACTOR_BLUE, CRITIC_RED = [0, 0, 0], [204, 0, 0], [38, 77, 204], [204, 26, 26]


def shows(opened: Visit, middle: list[int], right: list[int]) -> None:
    opened.wait_for_videos()
    assert opened.colour("left") == pytest.approx(BLACK, abs=3)
    assert opened.colour("middle") == pytest.approx(middle, abs=12)
    assert opened.colour("right") == pytest.approx(right, abs=12)


def test_switching_method_and_layers_keeps_the_frame(opened: Visit) -> None:
    page = opened.page
    page.fill("#slider", "12")
    shows(opened, RED, BLACK)
    page.click("text=greydanus")
    shows(opened, BLACK, RED)
    opened.is_on(12)
    page.click("text=both in one frame")
    shows(opened, CRITIC_RED, BLACK)
    assert opened.text("middle-name") == "■ actor and ■ critic in one frame"
    opened.is_on(12)
    page.click("text=occlusion")
    shows(opened, ACTOR_BLUE, RED)
    opened.is_on(12)
    assert opened.texts("#views [aria-pressed=true]") == ["occlusion", "both in one frame"]
    page.click("text=both in one frame")
    shows(opened, RED, BLACK)
    opened.is_on(12)


def test_switching_twice_quickly_shows_the_last_choice(opened: Visit) -> None:
    opened.page.fill("#slider", "7")
    opened.page.evaluate("() => { for (const index of [1, 2, 0, 1, 2]) $('views').children[index].click(); }")
    shows(opened, BLACK, RED)
    opened.is_on(7)
    opened.page.click("#play")
    opened.wait_for_frame(9)


def test_switching_while_playing_pauses_on_the_frame(opened: Visit) -> None:
    opened.page.click("#play")
    opened.wait_for_frame(5)
    opened.page.click("text=greydanus")
    assert opened.text("play") == "Play"
    opened.is_on(opened.frame_counter())


@pytest.mark.parametrize(
    "name", ["""</title></script><b>"one" & 'two'</b><!--""", "{{videos}} {{data}} {{title}}", r"\1 \u003c $& ${x}"]
)
def test_names_are_escaped_on_the_page(name: str, clip: Clip, visit: Open, tmp_path: Path) -> None:
    methods = (f"first {name}", f"second {name}")
    opened = visit(clip.write_page(tmp_path / "index.html", clip=name, methods=methods))
    assert opened.page.title() == f"{name} – Searchlight"
    assert opened.page.text_content("#title") == name
    assert opened.texts("#views button")[:2] == [*methods]
    assert opened.page.locator("b").count() == 0
    shows(opened, RED, BLACK)
    opened.page.click("#views button:nth-child(2)")
    shows(opened, BLACK, RED)
    opened.is_on(0)


def test_videos_and_controls_fit_the_window(opened: Visit) -> None:
    for width, height in ((1400, 1000), (1400, 700), (1000, 900), (500, 1000), (360, 740)):
        opened.page.set_viewport_size({"width": width, "height": height})
        boxes = [opened.page.locator(f"#{name}").bounding_box() for name in (*VIDEOS, "play", "slider", "speed")]
        assert min(box["x"] for box in boxes) >= 0
        assert min(box["y"] for box in boxes) >= 0
        assert max(box["x"] + box["width"] for box in boxes) <= width, (width, height)
        assert max(box["y"] + box["height"] for box in boxes) <= height, (width, height)
        assert opened.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), (width, height)


# Numbers along the frames: two curves of each method at every frame but some of the ball's, one of the clip at a few.
DENSE = range(FIRST, FIRST + COUNT)
NO_BALL = range(FIRST + 10, FIRST + 15)
FEW = (FIRST - 30, FIRST + 4, FIRST + 20, FIRST + COUNT)
CURVES = {
    f"memory, {method}: {what}: share": {
        decision: 0.01 * (decision - FIRST) + 0.1 * index
        for decision in DENSE
        if what == "paddle" or decision not in NO_BALL
    }
    for index, (method, what) in enumerate((method, what) for method in METHODS for what in ("ball", "paddle"))
}
TABLE = [
    ("memory", Row("random pixels", "F", -0.0123, -0.03, 0.01, frames=64, is_method=False)),
    ("memory", Row("occlusion", "F", 0.74, 0.61, 0.83, frames=64)),
    ("memory", Row("greydanus", "F", 0.5, 0.4, 0.6, -0.24, -0.3, -0.11, frames=64)),
    ("memory", Row("occlusion", "hit", 12.0, frames=60)),
    ("memory", Row("greydanus", "hit", 13.0, 11.5, 14.5, 1.0, -0.5, 2.5, frames=60)),
]


@pytest.fixture(scope="module")
def measured_path(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured")
    return clip.write_page(folder / "index.html", measures=write_tables(folder, TABLE, CURVES))


@pytest.fixture
def measured(visit: Open, measured_path: Path) -> Visit:
    return visit(measured_path)


def lines(opened: Visit) -> list[int]:
    """Return the number of points of each line of the first chart of measures, in order."""
    return opened.page.eval_on_selector_all(
        ".curves svg[role=img] >> nth=0 >> polyline",
        "found => found.map(line => line.getAttribute('points').split(' ').length)",
    )


def test_page_without_measures_has_no_such_part(opened: Visit) -> None:
    assert opened.page.locator("#measures, .curves, table").count() == 0
    assert opened.page.locator("svg").count() == 1


def test_curves_of_measures_are_in_step_with_the_slider(measured: Visit) -> None:
    for frame in (0, 7, COUNT - 1):
        measured.page.fill("#slider", str(frame))
        cursors = measured.page.eval_on_selector_all(
            "#cursor, .cursor", "found => found.map(line => Number(line.getAttribute('x1')))"
        )
        assert cursors == [pytest.approx(1000 * frame / (COUNT - 1))] * 2
        numbers = [float(text) for text in measured.texts(".legend b")]
        expected = [column[FIRST + frame] for column in CURVES.values()]
        assert sorted(numbers) == pytest.approx(sorted(expected), abs=0.0051)


def test_curve_is_cut_where_it_has_no_number(measured: Visit) -> None:
    assert lines(measured) == [10, COUNT - 15, COUNT, 10, COUNT - 15, COUNT]
    measured.page.fill("#slider", "12")
    assert [text for text in measured.texts(".legend b") if text == "–"] == ["–", "–"]


def test_click_on_a_curve_seeks(measured: Visit) -> None:
    chart = measured.page.locator(".curves svg[role=img]")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    measured.page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + 20)
    measured.wait_for_videos()
    assert abs(measured.frame_counter() - (COUNT - 1) / 4) <= 1


def test_entries_of_the_legend_toggle_curves(measured: Visit) -> None:
    page = measured.page
    assert measured.texts(".legend > span") == ["", *METHODS, "ball", "paddle"]
    assert page.locator(".legend button[aria-pressed=true]").count() == 4
    assert measured.texts(".curves figcaption") == ["share, 0 to 0.69"]
    page.click(".legend [title='greydanus: paddle']")
    assert lines(measured) == [10, COUNT - 15, COUNT, 10, COUNT - 15]
    assert measured.texts(".curves figcaption") == ["share, 0 to 0.59"]
    page.click(".legend [title='greydanus: paddle']")
    assert len(lines(measured)) == 6


def test_curves_of_the_method_in_view_are_brighter(measured: Visit) -> None:
    strengths = "found => found.map(line => Number(line.getAttribute('stroke-opacity')))"
    assert measured.page.eval_on_selector_all(".curves polyline", strengths) == [1, 1, 1, 0.5, 0.5, 0.5]
    measured.page.click("text=greydanus >> nth=0")
    assert measured.page.eval_on_selector_all(".curves polyline", strengths) == [0.5, 0.5, 0.5, 1, 1, 1]


def test_of_many_curves_those_of_the_method_in_view_are_shown(clip: Clip, tmp_path: Path, visit: Open) -> None:
    curves = {f"memory, {method}: thing {index}: share": {FIRST: 1.0} for method in METHODS for index in range(5)}
    opened = visit(clip.write_page(tmp_path / "index.html", measures=write_tables(tmp_path, [], curves)))
    shown = ".legend button[aria-pressed=true]"
    assert opened.page.locator(shown).count() == 5
    opened.page.click("#views button:nth-child(2)")
    assert opened.page.locator(f"{shown}[title^=greydanus]").count() == opened.page.locator(shown).count() == 5
    # What a user chose stays.
    opened.page.click(".legend [title='occlusion: thing 3']")
    opened.page.click("#views button:nth-child(1)")
    assert opened.page.locator(shown).count() == 6


def test_numbers_of_a_few_frames_are_of_the_nearest(clip: Clip, tmp_path: Path, visit: Open) -> None:
    curves = {"memory: change": {decision: float(decision) for decision in FEW}}
    opened = visit(clip.write_page(tmp_path / "index.html", measures=write_tables(tmp_path, [], curves)))
    for frame, nearest in ((0, 4), (4, 4), (11, 4), (12, 20), (COUNT - 1, 20)):
        opened.page.fill("#slider", str(frame))
        assert opened.texts(".legend b") == [str(FIRST + nearest)]
        (note,) = opened.texts("#measures .curves + .note")
        assert note.startswith(f"2 of the clip's {COUNT} frames were measured, and 2 outside of it.")
        assert note.endswith(f" of frame {nearest + 1}.")
    assert opened.page.locator(".curves polyline").count() == 1


def test_measure_of_no_frame_of_the_clip_says_so(clip: Clip, tmp_path: Path, visit: Open) -> None:
    curves = {"memory: change": {FIRST - 1: 1.0}}
    opened = visit(clip.write_page(tmp_path / "index.html", measures=write_tables(tmp_path, [], curves)))
    assert f"0 of the clip's {COUNT} frames were measured, and 1 outside of it." in opened.texts("#measures p")
    assert opened.page.locator(".curves").count() == 0


def test_table_of_measures(measured: Visit) -> None:
    assert measured.texts("thead th") == ["", "F", "hit", "frames"]
    rows = [
        [text.strip() for text in measured.texts(f"tbody tr:nth-child({row}) > *")]
        for row in range(1, 1 + measured.page.locator("tbody tr").count())
    ]
    assert rows == [
        ["occlusion", "0.74 (0.61 to 0.83)", "12.0", "60 to 64"],
        ["greydanus", "0.50 (0.40 to 0.60) ▼", "13.0 (11.5 to 14.5)", "60 to 64"],
        ["random pixels", "−0.012 (−0.030 to 0.010)", "–", "64"],
    ]
    assert measured.texts("tr.quiet th") == ["random pixels"]
    assert measured.page.get_attribute(".mark[title]", "title") == "0.24 (0.11 to 0.30) less than occlusion"
    assert "▼ less than occlusion" in measured.text("measures")


def test_names_of_measures_are_text(clip: Clip, tmp_path: Path, visit: Open) -> None:
    name = """</script><b class=x>"one", & 'two'</b><!-- {{data}} $& ${x}"""
    rows = [("memory", Row(name, f"quantity {name}", 1.0, 0.5, 1.5, frames=1))]
    curves = {f"memory: {name}: quantity {name}": {FIRST: 1.0}, "memory: other: x": {FIRST: 1.0}}
    opened = visit(clip.write_page(tmp_path / "index.html", measures=write_tables(tmp_path, rows, curves)))
    assert opened.texts("tbody th") == [name]
    assert opened.texts("thead th")[1] == f"quantity {name}"
    assert opened.texts(".legend span")[0] == name
    assert opened.texts(".curves figcaption")[0] == f"quantity {name}, 0 to 1.00"
    assert opened.page.locator("b.x").count() == 0


def test_wide_tables_and_long_names_fit_a_phone(clip: Clip, tmp_path: Path, visit: Open) -> None:
    methods = ("m" * 64, "n" * 64)
    things = [f"thing {index} {'of a long name ' * 3}" for index in range(12)]
    rows = [("memory", Row(method, thing, 0.5, 0.4, 0.6, frames=9)) for method in methods for thing in things]
    curves = {f"memory, {method}: {thing}: share": {FIRST: 1.0} for method in methods for thing in things}
    curves |= {f"memory: {'o' * 90}": {FIRST: 1.0}}
    path = clip.write_page(tmp_path / "index.html", methods=methods, measures=write_tables(tmp_path, rows, curves))
    opened = visit(path)
    for width in (390, 1400):
        opened.page.set_viewport_size({"width": width, "height": 844})
        assert opened.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), width
        box = opened.page.locator(".scroll").bounding_box()
        assert box["x"] + box["width"] <= width
    assert opened.page.evaluate(
        "() => { const box = $('measures').querySelector('.scroll'); return box.scrollWidth > box.clientWidth; }"
    )


def test_damaged_table_of_measures_leaves_no_page(clip: Clip, tmp_path: Path) -> None:
    table, curves = write_tables(tmp_path, TABLE, CURVES)
    curves.write_text("<html>")
    with pytest.raises(SearchlightError, match=r"measures-by-frame\.csv: damaged"):
        clip.write_page(tmp_path / "index.html", measures=(table, curves))
    assert not (tmp_path / "index.html").exists()


def test_unreadable_store_leaves_no_page(clip: Clip, tmp_path: Path) -> None:
    broken = Clip([tmp_path / "none.zarr.zip", *clip.stores[1:]], clip.gameplay, clip.videos)
    with pytest.raises(SearchlightError, match="no such file"):
        broken.write_page(tmp_path / "index.html")
    assert list(tmp_path.iterdir()) == []
