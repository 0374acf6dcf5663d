"""Cross-corpus matrices on made-up clip vectors."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from measures.cross_corpus import (
    ClipVectors,
    cross_corpus,
    cross_corpus_metrics,
    cross_corpus_table,
    fit_head,
    plot_heat_map,
)


def clips(seed: int, shares: dict[int, int], shift: float = 0.0) -> ClipVectors:
    """Categories as Gaussian blobs around the same corners in every corpus, the whole corpus shifted."""
    rng = np.random.default_rng(seed)
    corners = np.random.default_rng(99).normal(size=(7, 12)) * 1.2
    category = np.repeat(list(shares), list(shares.values()))
    values = corners[category] + rng.normal(size=(len(category), 12)) + shift
    return ClipVectors(values.astype(np.float32), category.astype(np.int64), np.arange(len(category)) % 3 == 0)


@pytest.fixture(scope="module")
def result():
    return cross_corpus(
        {
            "a": clips(0, {0: 90, 1: 90, 2: 90}),
            "b": clips(1, {0: 240, 1: 30, 2: 30}, 0.1),
            "c": clips(2, {2: 60, 3: 60, 4: 60}),
        }
    )


def test_cells_score_what_both_corpora_have(result):
    assert result.pairs.shared.tolist() == [[3, 3, 1], [3, 3, 1], [1, 1, 3]]
    assert np.isnan(result.pairs.plain[0, 2])
    assert result.pairs.plain[0, 0] > 0.8
    assert np.nanmax(result.pairs.plain - 1.0) <= 0.0
    assert (result.pairs.chance[~np.isnan(result.pairs.chance)] < 0.5).all()


def test_adjustment_changes_nothing_where_the_shares_agree(result):
    assert result.pairs.adjusted[0, 0] == pytest.approx(result.pairs.plain[0, 0], abs=0.02)
    assert result.pairs.adjusted[1, 0] != result.pairs.plain[1, 0], "shares differ: 8:1:1 against 1:1:1"


def test_a_corpus_left_out_is_recognised_by_the_others(result):
    assert result.left_out.shared.tolist() == [3, 3, 1]
    assert (result.left_out.plain[:2] > 0.8).all()
    assert np.isnan(result.left_out.plain[2])


def test_a_corpus_of_test_clips_alone_has_no_row(tmp_path):
    alone = clips(3, {0: 40, 1: 40, 2: 40})
    alone = replace(alone, test=np.ones(len(alone.category), bool))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cross_corpus({"a": clips(0, {0: 90, 1: 90, 2: 90}), "alone": alone})
        table = cross_corpus_table(found)
    assert np.isnan(found.pairs.plain[1]).all()
    assert found.pairs.plain[0, 1] > 0.8
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [
        "a",
        "all others",
        "best constant answer",
    ]
    plot_heat_map(found, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_absent_categories_are_never_answered():
    given = clips(0, {1: 30, 5: 30})
    assert np.isneginf(fit_head(given.values, given.category).logits(given.values)[:, [0, 2, 3, 4, 6]]).all()


def test_same_input_same_head():
    given = clips(3, {0: 40, 3: 20})
    first, second = (fit_head(given.values, given.category) for _ in range(2))
    assert np.array_equal(first.weights, second.weights)


def test_table_figures_and_picture(result, tmp_path):
    assert len(cross_corpus_table(result).splitlines()) == 7
    plain = json.loads(json.dumps(cross_corpus_metrics(result)))
    assert plain["macro_f1"][0][2] is None
    assert plain["macro_f1_within"] > 0.6
    for name in ("a.png", "b.png"):
        plot_heat_map(result, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
