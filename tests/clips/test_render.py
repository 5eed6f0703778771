"""Videos: what is drawn on a frame, what an encoded file holds, and that a failure leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.files import files_no_larger_than, save
from helpers.geometry import BOTTOM, OBSERVATION, SCREEN, TOP
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from searchlight.clips.compose import BACKGROUND, Caption, compose
from searchlight.clips.draw import (
    DIMMED,
    Style,
    draw_layers,
    draw_signed_layers,
    highlight,
    light,
    on_screen,
    spotlight,
)
from searchlight.clips.encode import Encoder
from searchlight.clips.render import RUN_FRAMES, render_gameplay, render_method
from searchlight.config.video import Video
from searchlight.config.views import GAP, LAYERS, STRIP_HEIGHT
from searchlight.errors import SearchlightError
from searchlight.store.zarr import Variable, load

STYLE = Style(style="notebook", gamma=1, zoom=1, opacity=0.8, highlight="#ff0000", actor="#3060ff", critic="#ff2020")
SPOTLIGHT = Style(
    style="spotlight", gamma=0.5, zoom=1, opacity=0.8, highlight="#ff0000", actor="#648fff", critic="#ffb000"
)
RAISES_AND_LOWERS = ("#fe6100", "#00b4ff")
SIGNED = replace(SPOTLIGHT, raises=RAISES_AND_LOWERS[0], lowers=RAISES_AND_LOWERS[1])
CAPTION = Caption(step=1720, score=101, action="FIRE", value=4.39)
HEIGHT, WIDTH = SCREEN
PLACE = SCREEN, (TOP, BOTTOM, 0, WIDTH)
ZOOMS = range(1, 6)
MEANINGS = ["NOOP", "FIRE", "RIGHT", "LEFT"]
# More frames than are read at a time, and no multiple of that.
CLIP_FRAMES = RUN_FRAMES + 6
NOTEBOOK_OPACITY = 200 / 255
NEUTRAL = 128
COLOURS = [
    (0, 0, 0),
    (255, 255, 255),
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (200, 72, 72),
    (142, 142, 142),
    (66, 72, 200),
    (162, 162, 42),
]
BAND = HEIGHT // len(COLOURS)

patches = st.tuples(st.integers(1, 6), st.integers(1, 6))
levels = st.integers(0, 255)
opacities = st.floats(0, 1)
maps_values = st.floats(0, 1, width=32)


def hex_of(rgb: Sequence[int]) -> str:
    return "#" + "".join(f"{level:02x}" for level in rgb)


def frames_and_maps(size: tuple[int, int]) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    return st.tuples(arrays(np.uint8, (*size, 3), elements=levels), arrays(np.float32, size, elements=maps_values))


def decoded(path: Path, pixels: str = "rgb24") -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=pixels) for frame in container.decode(video=0)]


def flat_bands() -> np.ndarray:
    """A screen of one band a colour."""
    panel = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for index, colour in enumerate(COLOURS):
        panel[index * BAND : (index + 1) * BAND] = colour
    return panel


def noise(zoom: int, seed: int = 0) -> np.ndarray:
    """A picture that compresses badly."""
    panel = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    return compose(panel, CAPTION, ["actor"], zoom)


def luma(picture: np.ndarray) -> np.ndarray:
    return picture[: picture.shape[0] * 2 // 3]


def chroma(picture: np.ndarray) -> np.ndarray:
    """Return the planes Cb and Cr."""
    return picture[picture.shape[0] * 2 // 3 :].reshape(2, picture.shape[0] // 3, -1)


def strip(picture: np.ndarray, zoom: int) -> np.ndarray:
    return picture[: STRIP_HEIGHT * zoom]


def without_strip(pictures: list[np.ndarray], zoom: int = 1) -> np.ndarray:
    return np.stack(pictures)[:, STRIP_HEIGHT * zoom :].astype(int)


def difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def encode(path: Path, pictures: Iterable[np.ndarray], fps: float = 30) -> None:
    with Encoder(path, fps, 1) as encoder:
        for picture in pictures:
            encoder.add(picture)


def noises_that_break_off(count: int) -> Iterator[np.ndarray]:
    yield from (noise(1, seed) for seed in range(count))
    raise RuntimeError("in the middle")


class NoCaption(Caption):
    def parts(self) -> list[str]:
        return []


Render = Callable[..., dict[str, Path]]


@pytest.fixture(scope="module")
def screens(episode_path: Path) -> np.ndarray:
    with load(episode_path) as episode:
        return episode.read("frame", slice(0, CLIP_FRAMES))


@pytest.fixture
def render(tmp_path: Path, screens: np.ndarray, episode_path: Path) -> Render:
    """Write a clip of the episode's first frames with the maps given, and render it."""

    def write_and_render(
        name: str, actor: np.ndarray, critic: np.ndarray, gain: float = 1, style: Style = STYLE, signed: bool = False
    ) -> dict[str, Path]:
        with load(episode_path) as episode:
            actions, values = (episode.read(key, slice(0, CLIP_FRAMES)) for key in ("action", "value"))
            rewards = episode.read("reward", slice(0, CLIP_FRAMES))
        axes = ("y", "x") if actor.shape[1:] == SCREEN else ("observation_y", "observation_x")
        peaks = {f"{name}_peak": np.abs(maps).max(axis=(1, 2)) for name, maps in (("actor", actor), ("critic", critic))}
        variables = {
            **{name: Variable(("time",), peak.astype(np.float32)) for name, peak in peaks.items()},
            "frame": Variable(("time", "y", "x", "channel"), screens),
            "actor": Variable(("time", *axes), actor.astype(np.float32)),
            "critic": Variable(("time", *axes), critic.astype(np.float32)),
            "score": Variable(("time",), np.cumsum(rewards) - rewards),
            "time": Variable(("time",), np.arange(CLIP_FRAMES)),
            "action": Variable(("time",), actions),
            "value": Variable(("time",), values),
        }
        clip = tmp_path / f"{name}.zarr.zip"
        save(clip, variables, {"action_meanings": MEANINGS, "seen": PLACE[1], "signed": signed})
        outputs = {layer: tmp_path / f"{name}.{layer}.mp4" for layer in LAYERS}
        render_method(clip, outputs, style=style, gain=gain, fps=30)
        return outputs

    return write_and_render


def maps_of(level: float, size: tuple[int, int] = SCREEN) -> np.ndarray:
    return np.full((CLIP_FRAMES, *size), level, np.float32)


class TestHighlight:
    @given(patches.flatmap(frames_and_maps), st.tuples(levels, levels, levels), opacities)
    def test_highlight_adds_the_colour_and_saturates(
        self, drawn: tuple[np.ndarray, np.ndarray], rgb: tuple[int, int, int], opacity: float
    ) -> None:
        frame, saliency = drawn
        before = frame.copy()
        result = highlight(frame, saliency, hex_of(rgb), opacity)
        # Exact, except where rounding may move a product that is nearly an integer.
        product = saliency.astype(np.float64)[..., None] * opacity * np.array(rgb)
        least, most = (np.minimum(frame + (product + slack).astype(int), 255) for slack in (-1e-4, 1e-4))
        assert result.dtype == np.uint8
        assert (result >= np.minimum(frame, least)).all()
        assert (result >= least).all()
        assert (result <= most).all()
        assert (result >= frame).all(), "nothing gets darker"
        assert (frame == before).all()

    @given(patches.flatmap(frames_and_maps), opacities)
    def test_zero_map_leaves_the_frame_unchanged(self, drawn: tuple[np.ndarray, np.ndarray], opacity: float) -> None:
        frame, saliency = drawn
        assert (highlight(frame, np.zeros_like(saliency), "#ffffff", opacity) == frame).all()

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @given(patches.flatmap(frames_and_maps))
    def test_highlight_equals_that_of_the_notebook_without_overflow(
        self, dtype: type, drawn: tuple[np.ndarray, np.ndarray]
    ) -> None:
        frame, saliency = drawn[0], drawn[1].astype(dtype)
        notebook = frame.copy()
        notebook[:, :, 0] += (200.0 * saliency).astype("uint8")
        wrapped = frame[:, :, 0] > notebook[:, :, 0]
        result = highlight(frame, saliency, "#ff0000", NOTEBOOK_OPACITY)
        assert (result[~wrapped] == notebook[~wrapped]).all()
        assert (result[wrapped][:, 0] == 255).all()

    def test_full_map_on_black_is_the_full_colour(self) -> None:
        frame = np.zeros((1, 1, 3), np.uint8)
        assert highlight(frame, np.ones((1, 1), np.float32), "#3060fF", 1).tolist() == [[[0x30, 0x60, 0xFF]]]


class TestOnScreen:
    def test_screen_map_is_not_resized(self) -> None:
        saliency = np.random.default_rng(0).random(SCREEN, np.float32)
        assert (on_screen(saliency, *PLACE) == saliency).all()

    def test_observation_map_covers_the_rows_that_the_agent_sees(self) -> None:
        placed = on_screen(np.ones(OBSERVATION, np.float32), *PLACE)
        assert placed.shape == SCREEN
        assert placed.dtype == np.float32
        assert (placed[TOP:BOTTOM] == 1).all()
        assert (placed[:TOP] == 0).all()
        assert (placed[BOTTOM:] == 0).all()

    @given(st.integers(0, OBSERVATION[0] - 1), st.integers(0, OBSERVATION[1] - 1))
    def test_observed_pixel_is_brightest_on_its_own_screen_pixels(self, row: int, column: int) -> None:
        saliency = np.zeros(OBSERVATION, np.float32)
        saliency[row, column] = 1
        placed = on_screen(saliency, *PLACE)
        own = np.zeros(SCREEN, bool)
        own[TOP + 2 * row : TOP + 2 * row + 2, 2 * column : 2 * column + 2] = True
        assert (placed[own] > placed[~own].max()).all()

    @pytest.mark.parametrize("size", [SCREEN, OBSERVATION])
    def test_gain_multiplies_and_is_clipped_at_one(self, size: tuple[int, int]) -> None:
        saliency = np.zeros(size, np.float32)
        saliency[:40], saliency[40:80] = 0.25, 0.75
        placed = on_screen(saliency, *PLACE, gain=2)
        assert set(np.unique(placed)) >= {0, 0.5, 1}
        assert placed.max() == 1
        assert (placed == np.minimum(2 * on_screen(saliency, *PLACE), 1)).all()

    @given(arrays(np.float32, SCREEN, elements=st.floats(-4, 4, width=32), fill=st.just(0.5)), st.floats(0.01, 100))
    def test_map_on_screen_stays_within_0_and_1(self, saliency: np.ndarray, gain: float) -> None:
        placed = on_screen(saliency, *PLACE, gain)
        assert placed.min() >= 0
        assert placed.max() <= 1


class TestDrawLayers:
    def drawn(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        generator = np.random.default_rng(0)
        frame = generator.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        actor, critic = (generator.random(SCREEN, np.float32) for _ in range(2))
        return frame, actor, critic, draw_layers(frame, actor, critic, STYLE)

    def test_each_layer_shows_its_own_map(self) -> None:
        frame, actor, critic, layers = self.drawn()
        assert tuple(layers) == LAYERS
        assert (layers["actor"] == highlight(frame, actor, STYLE.highlight, STYLE.opacity)).all()
        assert (layers["critic"] == highlight(frame, critic, STYLE.highlight, STYLE.opacity)).all()

    def test_both_adds_two_colours_in_either_order(self) -> None:
        frame, actor, critic, layers = self.drawn()
        other_way = highlight(frame, critic, STYLE.critic, STYLE.opacity)
        assert (layers["both"] == highlight(other_way, actor, STYLE.actor, STYLE.opacity)).all()

    def test_side_by_side_is_actor_gap_critic(self) -> None:
        *_, layers = self.drawn()
        panel = layers["side-by-side"]
        assert panel.shape == (HEIGHT, 2 * WIDTH + GAP, 3)
        assert (panel[:, :WIDTH] == layers["actor"]).all()
        assert (panel[:, WIDTH : WIDTH + GAP] == 0).all()
        assert (panel[:, WIDTH + GAP :] == layers["critic"]).all()


class TestSpotlight:
    def lit(self, frame: np.ndarray, saliency: np.ndarray, colour: str = "#648fff") -> np.ndarray:
        return spotlight(frame, [light(frame, saliency, colour, 0.8)])

    def test_frame_is_dimmed_where_the_map_is_dark(self, screens: np.ndarray) -> None:
        shown = self.lit(screens[0], np.zeros(SCREEN, np.float32)).astype(float)
        assert np.abs(shown.mean(axis=2) - DIMMED * screens[0].mean(axis=2)).max() <= 1
        assert np.ptp(shown, axis=2).max() < DIMMED * np.ptp(screens[0], axis=2).max(), "and greys"

    @given(st.tuples(levels, levels, levels))
    def test_salient_bright_pixel_stays_nearly_unchanged(self, rgb: tuple[int, int, int]) -> None:
        frame = np.full((*SCREEN, 3), (255, *rgb[1:]), np.uint8)
        assert difference(self.lit(frame, np.ones(SCREEN, np.float32)), frame) <= 2

    def test_salient_black_pixel_glows(self) -> None:
        frame = np.zeros((*SCREEN, 3), np.uint8)
        shown = self.lit(frame, np.ones(SCREEN, np.float32), "#ffb000")
        assert difference(shown, np.array([0.8 * 0xFF, 0.8 * 0xB0, 0])) <= 1

    def test_glow_stays_near_salient_pixels(self) -> None:
        frame, saliency = np.zeros((*SCREEN, 3), np.uint8), np.zeros(SCREEN, np.float32)
        saliency[100:108, 80:88] = 1
        glowing = self.lit(frame, saliency).any(axis=2)
        assert glowing[97:111, 77:91].all()
        assert glowing.sum() < 22 * 22

    def test_larger_map_is_never_shown_darker(self, screens: np.ndarray) -> None:
        black = np.zeros_like(screens[0])
        shown = [self.lit(black, np.full(SCREEN, level, np.float32))[100, 80].sum() for level in np.linspace(0, 1, 11)]
        assert shown == sorted(shown)

    def test_two_glows_add_up(self) -> None:
        frame, ones = np.zeros((*SCREEN, 3), np.uint8), np.ones(SCREEN, np.float32)
        layers = draw_layers(frame, ones, ones, SPOTLIGHT)
        assert difference(layers["both"], np.minimum(layers["actor"].astype(int) + layers["critic"], 255)) <= 1

    @pytest.mark.parametrize("gone", [0, 1, 2], ids=["protan", "deutan", "tritan"])
    def test_default_colours_differ_for_colour_blind_viewers(self, gone: int) -> None:
        from skimage.color import rgb2lab

        # Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB.
        sees = [
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
            [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
        ][gone]

        def seen(colour: str) -> np.ndarray:
            srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
            linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
            linear = np.clip(np.array(sees) @ linear, 0, 1)
            return rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))

        video = Video()
        assert np.linalg.norm(seen(video.actor) - seen(video.critic)) > 40
        assert np.linalg.norm(seen(video.raises) - seen(video.lowers)) > 40


class TestDrawSignedLayers:
    @pytest.mark.parametrize("style", ["spotlight", "notebook"])
    def test_each_sign_has_its_colour_and_both_has_none(self, style: str) -> None:
        frame, signed = np.zeros((*SCREEN, 3), np.uint8), np.zeros((2, *SCREEN), np.float32)
        signed[0, 60:80], signed[1, 120:140] = 1, 1
        look = replace(SIGNED, style=style)
        layers = draw_signed_layers(frame, (signed[0], signed[1]), (signed[1], signed[0]), look)
        assert tuple(layers) == LAYERS
        raising, lowering = (0.8 * np.array([int(one[i : i + 2], 16) for i in (1, 3, 5)]) for one in RAISES_AND_LOWERS)
        for layer, (upper, lower) in {"actor": (raising, lowering), "critic": (lowering, raising)}.items():
            assert difference(layers[layer][70, 80], upper) <= 1
            assert difference(layers[layer][130, 80], lower) <= 1
            assert not layers[layer][100].any()
        unsigned = draw_layers(frame, signed.max(axis=0), signed.max(axis=0), look)
        assert (layers["both"] == unsigned["both"]).all()
        assert (layers["side-by-side"][:, :WIDTH] == layers["actor"]).all()
        assert (layers["side-by-side"][:, WIDTH + GAP :] == layers["critic"]).all()


@pytest.mark.parametrize("zoom", ZOOMS)
class TestCompose:
    def test_picture_is_yuv420p_with_even_sides(self, zoom: int) -> None:
        for width in (WIDTH, 2 * WIDTH + GAP):
            picture = compose(np.zeros((HEIGHT, width, 3), np.uint8), CAPTION, ["actor"], zoom)
            rows, columns = picture.shape[0] * 2 // 3, picture.shape[1]
            assert picture.dtype == np.uint8
            assert (rows, columns) == ((HEIGHT + STRIP_HEIGHT) * zoom, width * zoom)
            assert picture.shape[0] * 2 == rows * 3
            assert (rows % 2, columns % 2) == (0, 0)

    def test_each_pixel_becomes_a_square_of_its_luma(self, zoom: int) -> None:
        panel = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        enlarged = luma(compose(panel, CAPTION, ["actor"], zoom))[STRIP_HEIGHT * zoom :]
        single = luma(compose(panel, CAPTION, ["actor"], 1))[STRIP_HEIGHT:]
        assert (enlarged == single.repeat(zoom, axis=0).repeat(zoom, axis=1)).all()
        # BT.709, limited range.
        expected = 16 + 219 / 255 * panel @ np.array([0.2126, 0.7152, 0.0722])
        assert np.abs(single - expected).max() < 1

    def test_chroma_is_that_of_the_pixel_below(self, zoom: int) -> None:
        panel = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        planes = chroma(compose(panel, CAPTION, ["actor"], zoom))
        assert (planes[:, : STRIP_HEIGHT * zoom // 2] == NEUTRAL).all()
        rows, columns = (2 * np.arange(size * zoom // 2) // zoom for size in (HEIGHT, WIDTH))
        # BT.709, limited range.
        red, green, blue = np.moveaxis(panel / 255, 2, 0)
        brightness = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        for plane, colour, weight in zip(planes, (blue, red), (1.8556, 1.5748), strict=True):
            expected = NEUTRAL + 224 * (colour - brightness) / weight
            assert np.abs(plane[STRIP_HEIGHT * zoom // 2 :] - expected[np.ix_(rows, columns)]).max() < 1

    def test_flat_colours_survive_encoding(self, zoom: int, tmp_path: Path) -> None:
        path = tmp_path / "bands.mp4"
        encode(path, [compose(flat_bands(), CAPTION, ["actor"], zoom)])
        [picture] = decoded(path)
        for index, colour in enumerate(COLOURS):
            middle = picture[(STRIP_HEIGHT + index * BAND + BAND // 2) * zoom]
            assert difference(middle, np.array(colour)) <= 3, colour

    @pytest.mark.parametrize("labels", [["breakout"], ["actor", "critic"]])
    def test_caption_never_touches_the_label(self, zoom: int, labels: list[str]) -> None:
        panel = np.zeros((HEIGHT, len(labels) * WIDTH, 3), np.uint8)
        long = Caption(step=123456, score=98765, action="UPRIGHTFIRE", value=-1234.56)
        alone = strip(compose(panel, NoCaption(0, 0, "", 0), labels, zoom), zoom)
        label = np.flatnonzero((alone != BACKGROUND).any(axis=0))[0]
        together = strip(compose(panel, long, labels, zoom), zoom)
        assert (together[:, label:] == alone[:, label:]).all()
        assert (together[:, : label // 2] != BACKGROUND).any(), "the step is there"

    def test_longer_score_moves_no_other_text(self, zoom: int) -> None:
        panel = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        few, many = (strip(compose(panel, replace(CAPTION, score=score), ["a"], zoom), zoom) for score in (9, 864))
        changed = np.flatnonzero((few != many).any(axis=0))
        assert changed.size
        assert np.ptp(changed) < WIDTH * zoom // 4

    def test_labels_wider_than_the_picture_are_cut(self, zoom: int) -> None:
        picture = compose(np.zeros((HEIGHT, WIDTH, 3), np.uint8), CAPTION, ["a long name of an agent " * 9], zoom)
        assert picture.shape[1] == WIDTH * zoom


class TestEncoder:
    @pytest.mark.parametrize("fps", [1, 20, 29.97, 30, 60])
    def test_file_holds_every_frame_at_its_rate(self, fps: float, tmp_path: Path) -> None:
        path = tmp_path / "folder" / "video.mp4"
        count = 40
        captions = (replace(CAPTION, step=step) for step in range(count))
        encode(path, (compose(flat_bands(), caption, ["actor"], 1) for caption in captions), fps)
        assert [file.name for file in path.parent.iterdir()] == ["video.mp4"]
        with av.open(str(path)) as container:
            [stream] = container.streams
            assert stream.codec_context.name == "h264"
            assert stream.pix_fmt == "yuv420p"
            assert (stream.width, stream.height) == (WIDTH, HEIGHT + STRIP_HEIGHT)
            assert stream.average_rate == Fraction(fps).limit_denominator(1001)
            assert container.duration / av.time_base == pytest.approx(count / fps, abs=1e-3)
            packets = [packet for packet in container.demux(stream) if packet.size]
        assert len(packets) == count
        # Stepping back decodes from the last keyframe, so there must be one every half second.
        assert all(packet.is_keyframe for packet in packets[:: max(1, round(fps / 2))])
        assert len(decoded(path)) == count

    @pytest.mark.parametrize("zoom", ZOOMS)
    def test_picture_size_follows_zoom(self, zoom: int, tmp_path: Path) -> None:
        path = tmp_path / "video.mp4"
        encode(path, [compose(flat_bands(), CAPTION, ["actor"], zoom)])
        [picture] = decoded(path)
        assert picture.shape == ((HEIGHT + STRIP_HEIGHT) * zoom, WIDTH * zoom, 3)

    def test_file_declares_its_colour_space(self, tmp_path: Path) -> None:
        path = tmp_path / "video.mp4"
        encode(path, [noise(1)])
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            next(container.decode(video=0))
            bt709, limited = 1, 1
            assert (context.colorspace, context.color_primaries, context.color_trc) == (bt709, bt709, bt709)
            assert context.color_range == limited

    @pytest.mark.parametrize("zoom", [1, 2])
    def test_equal_pictures_give_equal_bytes(self, zoom: int, tmp_path: Path) -> None:
        paths = [tmp_path / "one.mp4", tmp_path / "other.mp4"]
        for path in paths:
            encode(path, (noise(zoom, seed) for seed in range(3)))
        assert paths[0].read_bytes() == paths[1].read_bytes()

    # An even zoom is encoded where it lies in memory, an odd one is copied first.
    @pytest.mark.parametrize("zoom", [2, 3])
    def test_picture_may_change_after_it_is_added(self, zoom: int, tmp_path: Path) -> None:
        pictures = [noise(zoom, seed) for seed in range(3)]
        encode(tmp_path / "own.mp4", pictures)
        shared = np.empty_like(pictures[0])
        with Encoder(tmp_path / "shared.mp4", 30, 1) as encoder:
            for picture in pictures:
                shared[...] = picture
                encoder.add(shared)
        assert (tmp_path / "own.mp4").read_bytes() == (tmp_path / "shared.mp4").read_bytes()

    @pytest.mark.parametrize("zoom", [2, 3])
    def test_moving_pixels_survive_encoding_within_a_few_levels(
        self, zoom: int, screens: np.ndarray, tmp_path: Path
    ) -> None:
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        pictures = []
        for step, screen in enumerate(screens[:20]):
            spot = np.exp(-((rows - 90 - 4 * step) ** 2 + (columns - 40 - 3 * step) ** 2) / 800).astype(np.float32)
            drawn = draw_layers(screen, spot, spot[::-1], STYLE)["both"]
            pictures.append(compose(drawn, replace(CAPTION, step=step), ["actor"], zoom))
        path = tmp_path / "video.mp4"
        encode(path, pictures)
        errors = np.array(decoded(path, "yuv420p")).astype(int) - pictures
        assert np.abs(errors).max() <= 8
        assert np.square(errors).mean() < 0.2

    @pytest.mark.parametrize("count", [0, 1, 10])
    def test_error_while_encoding_leaves_nothing(self, count: int, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError, match="in the middle"):
            encode(tmp_path / "video.mp4", noises_that_break_off(count))
        assert list(tmp_path.iterdir()) == []

    def test_error_while_encoding_keeps_an_older_file(self, tmp_path: Path) -> None:
        path = tmp_path / "video.mp4"
        path.write_bytes(b"older")
        with pytest.raises(RuntimeError, match="in the middle"):
            encode(path, noises_that_break_off(1))
        assert path.read_bytes() == b"older"
        assert list(tmp_path.iterdir()) == [path]

    # Where the disk fills depends on how much the encoder holds back: while adding, while flushing or while closing.
    @pytest.mark.parametrize("count", [1, 2, 3, 10])
    def test_full_disk_leaves_nothing(self, count: int, tmp_path: Path) -> None:
        pictures = [noise(4, seed) for seed in range(count)]
        with (
            files_no_larger_than(200_000),
            pytest.raises(SearchlightError, match="too large") as caught,
        ):
            encode(tmp_path / "video.mp4", pictures)
        # The error is still alive here, so nothing may depend on garbage collection of what it holds.
        assert list(tmp_path.iterdir()) == [], caught.value


class TestRenderGameplay:
    def test_gameplay_shows_frames_of_the_clip_with_captions(
        self, episode_path: Path, screens: np.ndarray, tmp_path: Path
    ) -> None:
        path = tmp_path / "gameplay.mp4"
        first, last = 3, CLIP_FRAMES - 1
        style = replace(STYLE, zoom=2)
        render_gameplay(episode_path, path, clip="demo", frames=(first, last), zoom=style.zoom, fps=30)
        pictures = decoded(path, "yuv420p")
        assert len(pictures) == last - first + 1
        with load(episode_path) as episode:
            rewards, actions, values = (episode.read(name) for name in ("reward", "action", "value"))
            meanings, agent = episode.attributes["action_meanings"], episode.attributes["agent"]

        def expected(step: int) -> np.ndarray:
            caption = Caption(step, rewards[:step].sum(), meanings[actions[step]], values[step])
            return compose(screens[step], caption, [agent], 2)

        for index, step in enumerate(range(first, last + 1)):
            assert difference(luma(pictures[index]), luma(expected(step))) < 30, step
        assert difference(strip(pictures[0], 2), strip(expected(first + 1), 2)) > 60, "captions change"

    def test_clip_of_one_frame_is_rendered(self, episode_path: Path, tmp_path: Path) -> None:
        path = tmp_path / "gameplay.mp4"
        render_gameplay(episode_path, path, clip="demo", frames=(5, 5), zoom=STYLE.zoom, fps=30)
        assert len(decoded(path)) == 1

    def test_clip_past_the_end_is_named_and_leaves_nothing(self, episode_path: Path, tmp_path: Path) -> None:
        with load(episode_path) as episode:
            length = episode.shape("frame")[0]
        with pytest.raises(SearchlightError) as caught:
            render_gameplay(
                episode_path, tmp_path / "gameplay.mp4", clip="demo", frames=(10, length), zoom=STYLE.zoom, fps=30
            )
        assert str(caught.value) == (
            f"clips.demo.frames: found [10, {length}], but the episode has frames 0 to {length - 1}"
        )
        assert list(tmp_path.iterdir()) == []

    def test_missing_episode_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SearchlightError, match="no such file"):
            render_gameplay(
                tmp_path / "none", tmp_path / "gameplay.mp4", clip="demo", frames=(0, 1), zoom=STYLE.zoom, fps=30
            )
        assert list(tmp_path.iterdir()) == []


class TestRenderMethod:
    def test_zero_maps_give_the_gameplay(self, render: Render, episode_path: Path, tmp_path: Path) -> None:
        outputs = render("zeros", maps_of(0), maps_of(0))
        gameplay = tmp_path / "gameplay.mp4"
        render_gameplay(episode_path, gameplay, clip="demo", frames=(0, CLIP_FRAMES - 1), zoom=STYLE.zoom, fps=30)
        played = without_strip(decoded(gameplay))
        shown = {layer: without_strip(decoded(path)) for layer, path in outputs.items()}
        assert {layer: len(pictures) for layer, pictures in shown.items()} == dict.fromkeys(LAYERS, CLIP_FRAMES)
        for layer in ("actor", "critic", "both"):
            assert np.abs(shown[layer] - played).max() <= 12, layer
            assert np.abs(shown[layer] - played).mean() < 0.1, layer
        assert shown["side-by-side"].shape[1:] == (HEIGHT, 2 * WIDTH + GAP, 3)
        for half in (slice(0, WIDTH), slice(WIDTH + GAP, None)):
            assert np.abs(shown["side-by-side"][:, :, half] - played).mean() < 0.5

    def test_each_layer_shows_its_map(self, render: Render, screens: np.ndarray) -> None:
        shown = {layer: without_strip(decoded(path)) for layer, path in render("actor", maps_of(1), maps_of(0)).items()}
        red, blue = (highlight(screens, maps_of(1), colour, 0.8) for colour in (STYLE.highlight, STYLE.actor))
        expected = {"actor": red, "critic": screens, "both": blue}
        for layer, panels in expected.items():
            # Neighbours share their chroma, so single pixels may be far off, but the mean may not.
            assert np.abs(shown[layer] - panels).mean() < 3, layer
        assert np.abs(shown["side-by-side"][:, :, :WIDTH] - red).mean() < 3
        assert np.abs(shown["side-by-side"][:, :, WIDTH + GAP :] - screens).mean() < 3

    def test_observation_maps_leave_the_score_line_unchanged(self, render: Render, screens: np.ndarray) -> None:
        outputs = render("observation", maps_of(1, OBSERVATION), maps_of(0, OBSERVATION))
        shown = without_strip(decoded(outputs["actor"]))
        added = shown[..., 0] - screens[..., 0]
        assert np.abs(added[:, : TOP - 2]).mean() < 3
        assert added[:, TOP + 2 : BOTTOM - 2].mean() > 100

    def test_each_video_says_what_it_shows(self, render: Render) -> None:
        labels = {
            "actor": ["actor 50 %"],
            "critic": ["critic 0 %"],
            "both": ["actor 50 %  critic 0 %"],
            "side-by-side": ["actor 50 %", "critic 0 %"],
        }
        actor = maps_of(1)
        actor[0] /= 2  # of the clip's largest
        for layer, path in render("labels", actor, maps_of(0)).items():
            shown = strip(luma(decoded(path, "yuv420p")[0]), 1)
            panel = np.zeros((HEIGHT, shown.shape[1], 3), np.uint8)
            expected = strip(compose(panel, NoCaption(0, 0, "", 0), labels[layer], 1), 1)
            written = (expected != BACKGROUND).any(axis=0)
            assert difference(shown[:, written], expected[:, written]) < 30, layer

    @pytest.mark.parametrize("size", [SCREEN, OBSERVATION])
    def test_signed_maps_are_drawn_in_two_colours(
        self, render: Render, screens: np.ndarray, size: tuple[int, int]
    ) -> None:
        raising, lowering = (
            spotlight(screens[0], [light(screens[0], on_screen(maps_of(1, size)[0], *PLACE), one, 0.8)])
            for one in RAISES_AND_LOWERS
        )
        outputs = render("signed", maps_of(1, size), maps_of(-1, size), style=SIGNED, signed=True)
        for layer, expected in (("actor", raising), ("critic", lowering)):
            assert np.abs(without_strip(decoded(outputs[layer]))[0] - expected).mean() < 3
        unsigned = render("unsigned", maps_of(1, size), maps_of(1, size), style=SIGNED)
        shown = [without_strip(decoded(paths["both"]))[0] for paths in (outputs, unsigned)]
        assert np.abs(shown[0] - shown[1]).mean() < 0.1  # but for the strip, which the encoder's blocks reach beyond
        found, other = (strip(decoded(paths["actor"], "gray")[0], 1) for paths in (outputs, unsigned))
        assert (found != other).any(), "the strip says that the map has a sign"

    def test_gain_is_applied(self, render: Render) -> None:
        weak = render("weak", maps_of(0.25), maps_of(0.5), gain=2)
        strong = render("strong", maps_of(0.5), maps_of(1))
        assert {layer: path.read_bytes() for layer, path in weak.items()} == {
            layer: path.read_bytes() for layer, path in strong.items()
        }

    def test_gamma_is_applied_after_gain(self, render: Render) -> None:
        weak = render("weak", maps_of(0.125), maps_of(0.5), gain=2, style=replace(STYLE, gamma=0.5))
        strong = render("strong", maps_of(0.5), maps_of(1))
        # Peaks are the same share of the clip's: all of it.
        assert {layer: path.read_bytes() for layer, path in weak.items()} == {
            layer: path.read_bytes() for layer, path in strong.items()
        }

    def test_clip_without_maps_is_named_and_leaves_no_video(self, tmp_path: Path, screens: np.ndarray) -> None:
        clip = tmp_path / "clip.zarr.zip"
        frames = Variable(("time", "y", "x", "channel"), screens[:2])
        save(
            clip,
            {"frame": frames, "score": Variable(("time",), np.zeros(2))},
            {"action_meanings": MEANINGS, "seen": PLACE[1], "signed": False},
        )
        outputs = {layer: tmp_path / f"{layer}.mp4" for layer in LAYERS}
        with pytest.raises(SearchlightError, match="has no array 'time'"):
            render_method(clip, outputs, style=STYLE, gain=1, fps=30)
        assert list(tmp_path.iterdir()) == [clip]
