"""Neighbours among embeddings, and where they stand on the map."""

from __future__ import annotations

from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regard.data.tokenizer.specials import EOS, NUM_SPECIALS
from regard.data.tokenizer.tokenizer import Tokenizer, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.errors import RegardError, UsageError
from regard.observe.draw.label_placement import place_labels
from regard.observe.draw.neighbours_map import (
    EDGE,
    HEIGHT,
    WIDTH,
    draw_projection,
    lay_out_points,
    render_projection,
    write_projection,
)
from regard.observe.measure.neighbours import (
    Neighbour,
    Neighbourhood,
    Projection,
    find_neighbourhood,
    principal_plane,
    project,
)


@pytest.fixture
def embeddings(tokenizer: Tokenizer) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(tokenizer.vocab_size, 12))


def one(tokenizer: Tokenizer, piece: str) -> int:
    return tokenizer.pieces(range(tokenizer.vocab_size)).index(piece)


def test_neighbours_are_those_of_largest_cosine_whatever_their_length(
    embeddings: np.ndarray, tokenizer: Tokenizer
) -> None:
    the, das, a = (one(tokenizer, piece) for piece in ("▁the", "▁das", "a"))
    embeddings[das] = 100 * embeddings[the]
    embeddings[a] = embeddings[the] + 0.1 * embeddings[a]
    embeddings[EOS] = embeddings[the]  # a mark is nobody's neighbour
    found = find_neighbourhood(embeddings, tokenizer, "the", 5)
    assert found.pieces == ["▁the"]
    assert [neighbour.piece for neighbour in found.neighbours[:2]] == ["▁das", "a"]
    assert found.neighbours[0].cosine == pytest.approx(1)
    for token, _, cosine in found.neighbours:
        u, v = embeddings[token], embeddings[the]
        assert cosine == pytest.approx(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
        assert token >= NUM_SPECIALS
        assert token != the
    cosines = [neighbour.cosine for neighbour in found.neighbours]
    assert cosines == sorted(cosines, reverse=True)
    assert len(find_neighbourhood(embeddings, tokenizer, "the", 1000).neighbours) == len(embeddings) - NUM_SPECIALS - 1


def test_a_word_of_several_pieces_is_their_mean(embeddings: np.ndarray, tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("housered")
    assert len(ids) > 1
    found = find_neighbourhood(embeddings, tokenizer, "housered", 3)
    assert found.pieces == tokenizer.pieces(ids)
    mean = embeddings[ids].mean(axis=0)
    np.testing.assert_allclose(found.vector, mean / np.linalg.norm(mean))
    assert not {neighbour.token for neighbour in found.neighbours} & set(ids)


def test_a_word_is_looked_up_as_it_stands_within_a_text() -> None:
    options = {"add_dummy_prefix": False, "remove_extra_whitespaces": False}
    settings = TokenizerSettings(vocab_size=280, **options)
    tokenizer = train_tokenizer(["an import or the import"] * 5, settings)
    assert len(tokenizer.encode("import")) > 1
    random = np.random.default_rng(0).normal(size=(tokenizer.vocab_size, 4))
    assert find_neighbourhood(random, tokenizer, "import", 1).pieces == ["▁import"]


@pytest.mark.parametrize(
    ("word", "message"), [("", "empty"), (" \n", "empty"), ("日本", "--word 日本: the vocabulary")]
)
def test_what_cannot_be_looked_up_is_named(
    embeddings: np.ndarray, tokenizer: Tokenizer, word: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        find_neighbourhood(embeddings, tokenizer, word, 3)


def test_the_plane_is_that_of_the_largest_variance() -> None:
    rng = np.random.default_rng(1)
    flat = rng.normal(size=(20, 2)) * [5, 2]
    turned, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    points, variance = principal_plane(flat @ turned[:2] + rng.normal(size=6))
    assert variance == pytest.approx(1)
    distances = [np.linalg.norm(x[:, None] - x[None], axis=-1) for x in (points, flat)]
    np.testing.assert_allclose(*distances, atol=1e-9)
    noisy, share = principal_plane(flat @ turned[:2] + rng.normal(size=(20, 6)))
    assert 0.5 < share < 1
    assert noisy[:, 0].var() > noisy[:, 1].var()
    assert principal_plane(np.ones((1, 6)))[1] == 0


def test_the_map_has_the_word_its_neighbours_and_theirs_once(embeddings: np.ndarray, tokenizer: Tokenizer) -> None:
    around = find_neighbourhood(embeddings, tokenizer, "the", 4)
    points = project(embeddings, tokenizer, around)
    assert points.labels[:5] == ["the", *(neighbour.piece for neighbour in around.neighbours)]
    assert points.degree[:5] == [0, 1, 1, 1, 1]
    others = points.labels[5:]
    assert set(points.degree[5:]) == {2}
    assert len(set(others)) == len(others) > 4
    assert not {"▁the", *points.labels[1:5]} & set(others)
    assert points.points.shape == (len(points.labels), 2)
    assert (points.points[0] >= 0).all()


def test_labels_stand_clear_of_each_other_where_there_is_room() -> None:
    points, sizes = [(100.0, 100.0), (104.0, 101.0), (99.0, 103.0), (300.0, 50.0)], [(60.0, 12.0)] * 4
    corners = place_labels(points, sizes, 8.0)
    boxes = [(x, y, x + wide, y + high) for (x, y), (wide, high) in zip(corners, sizes, strict=True)]
    for first in range(4):
        for second in range(first):
            a, b = boxes[first], boxes[second]
            assert min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1])
    assert corners[3] == (308.0, 44.0), "beside its point"


def some_map() -> tuple[Neighbourhood, Projection]:
    hostile = "</td><script>alert(1)</script>"
    around = Neighbourhood(
        hostile, ["▁a", "<b>"], [Neighbour(5, hostile, 0.5), Neighbour(6, "$x_{$", 0.25)], np.ones(2)
    )
    points = np.array([[0, 0], [4, 0], [2, 2], [-1, -6]], dtype=float)
    return around, Projection([hostile, hostile, "$x_{$", "日本"], [0, 1, 1, 2], points, 0.42)


def test_points_keep_their_proportions_within_the_edges() -> None:
    placed = lay_out_points(some_map()[1])
    ours = np.array([(point.x, -point.y) for point in placed])
    scale = (ours[1] - ours[0])[0] / 4
    np.testing.assert_allclose(ours - ours[0], scale * some_map()[1].points, atol=1e-9)
    assert ours[:, 0].min() >= EDGE - 1e-9
    assert ours[:, 0].max() <= WIDTH - EDGE + 1e-9
    assert (-ours[:, 1]).max() == pytest.approx(HEIGHT - EDGE)


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_any_token_is_text_on_the_page_and_in_the_picture(tmp_path: Path) -> None:
    around, points = some_map()
    html = render_projection(around, points)
    page = Elements(html)
    assert "script" not in page.tags
    assert page.tags.count("circle") == 4
    assert "</td><script>alert(1)</script>" in page.texts
    assert "0.500" in page.texts
    assert "42% of the variance" in html
    assert "mean embedding of the pieces ▁a &lt;b&gt;" in html
    assert "http" not in html.replace("http-equiv", "")
    for name in ("map.png", "below/map.html"):
        write_projection(around, points, tmp_path / name)
    assert Image.open(BytesIO((tmp_path / "map.png").read_bytes())).size == (900, 690)
    assert (tmp_path / "below/map.html").read_text(encoding="utf-8") == html
    labels = {text.get_text() for text in draw_projection(around, points).axes[0].texts}
    assert {"$x_{$", "日本"} <= labels
    with pytest.raises(UsageError, match=r"map\.pdf: expected a name that ends in \.png or \.html"):
        write_projection(around, points, tmp_path / "map.pdf")
    with pytest.raises(RegardError, match="cannot be written"):
        write_projection(around, points, tmp_path / "map.png/map.png")
