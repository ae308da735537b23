"""What the notebooks import: the estimates, the counts, the charts, and the hand-over of numbers to the prose."""

import json
import subprocess
import sys
from types import SimpleNamespace

import altair as alt
import IPython.display
import pandas as pd
import pytest

import retribution
from retribution import charts, simulations, stats
from retribution.dataset import MEASURES, estimate


@pytest.fixture(scope="module")
def data():
    return retribution.load()


# Estimates


def estimated(*rows):
    """Return the estimate of one event from rows of origin, published, killed_low, killed_high."""
    sources = pd.DataFrame(rows, columns=["origin", "published", "low", "high"])
    sources["source_id"] = [f"s{n}" for n in range(len(rows))]
    sources["published"] = pd.to_datetime(sources["published"])
    reports = pd.DataFrame({"event_id": "e", "source_id": sources["source_id"], "origin": sources["origin"]})
    for measure in MEASURES:
        for end in ("low", "high"):
            figures = sources[end] if measure == "killed" else None
            reports[f"{measure}_{end}"] = pd.array([None] * len(rows) if figures is None else figures, dtype="Int64")
    return estimate(reports, sources)


@pytest.mark.parametrize(
    "rows, expected",
    [
        pytest.param([("AFP", "2020-01-01", 3, 3)], (1, 3, 3, 3), id="one source"),
        pytest.param([("AFP", "2020-01-01", 0, 0)], (1, 0, 0, 0), id="none killed is a figure"),
        pytest.param([("AFP", "2020-01-01", 9, 9), ("AFP", "2020-01-01", 9, 9), ("AP", "2020-01-01", 2, 2)], (2, 2, 2, 9), id="a reprint does not outvote"),
        pytest.param([("AFP", "2020-01-02", 7, 7), ("AFP", "2020-01-01", 3, 3)], (1, 7, 7, 7), id="the later figure replaces"),
        pytest.param([("AFP", "2020-01-01", 3, 3), ("AFP", "2020-01-02", None, None)], (1, 3, 3, 3), id="a later silence replaces nothing"),
        pytest.param([("AFP", "2020-01-01", 3, 3), ("AFP", None, 9, 9)], (1, 3, 3, 3), id="an undated figure replaces nothing"),
        pytest.param([("AFP", None, 3, 3), ("AFP", None, 5, 6)], (1, 3, 3, 6), id="undated figures all stand"),
        pytest.param([("AFP", "2020-01-01", 3, 4), ("AFP", "2020-01-01", 5, 6)], (1, 3, 3, 6), id="figures of one day all stand"),
        pytest.param([(o, "2020-01-01", n, n) for o, n in zip("ABCD", (9, 1, 5, 2))], (4, 1, 2, 9), id="the lower median"),
        pytest.param([(o, "2020-01-01", n, n) for o, n in zip("ABC", (9, 1, 5))], (3, 1, 5, 9), id="the median"),
        pytest.param([("AFP", "2020-01-01", 3, None)], (1, 3, 3, 3), id="at least"),
        pytest.param([("AFP", "2020-01-01", 3, None), ("AP", "2020-01-01", 1, 2)], (2, 1, 1, 3), id="at least, beside a range"),
        pytest.param([("AFP", "2020-01-01", None, None), ("AP", "2020-01-01", 4, 4)], (2, 4, 4, 4), id="silence is no zero"),
        pytest.param([("Not stated", "2020-01-01", 3, 3)], (1, 3, 3, 3), id="not stated, alone"),
        pytest.param([("Not stated", "2020-01-01", 3, 3), ("Not stated", "2020-01-01", 3, 3)], (1, 3, 3, 3), id="not stated, twice"),
        pytest.param([("Not stated", "2020-01-01", 3, 3), ("AFP", "2020-01-01", 3, 3)], (1, 3, 3, 3), id="not stated, beside another"),
    ],
)
def test_estimate(rows, expected):
    assert tuple(estimated(*rows).loc["e", ["origins", "killed_low", "killed_best", "killed_high"]]) == expected


def test_estimate_leaves_silence_missing():
    out = estimated(("AFP", "2020-01-01", None, None))
    assert out.loc["e", "origins"] == 1
    figures = out.drop(columns="origins")
    assert figures.isna().all(axis=None)
    assert set(figures.dtypes.astype(str)) == {"Int64"}


def test_estimate_keeps_events_apart():
    reports = pd.DataFrame({"event_id": ["a", "b"], "source_id": ["s", "s"], "origin": "AFP"})
    for measure in MEASURES:
        reports[[f"{measure}_low", f"{measure}_high"]] = pd.DataFrame({"low": [1, 2], "high": [1, 2]}, dtype="Int64")
    sources = pd.DataFrame({"source_id": ["s"], "published": pd.to_datetime(["2020-01-01"])})
    assert estimate(reports, sources)["wounded_best"].to_dict() == {"a": 1, "b": 2}


# Frames


def test_frames_are_typed(data):
    for resource in data.descriptor["resources"]:
        for field in resource.get("schema", {}).get("fields", []):
            dtype = getattr(data, resource["name"])[field["name"]].dtype
            if field["type"] == "string":
                expected = "category" if "enum" in field.get("constraints", {}) else "str"
            else:
                expected = {"date": "datetime64[s]", "integer": "Int64", "number": "Float64", "boolean": "boolean"}[field["type"]]
            assert dtype == expected, (resource["name"], field["name"])


def test_ordered_words_compare(data):
    assert (data.claims["verdict_day"].cat.categories[[0, -1]] == ["contradicted", "supported"]).all()
    assert set(data.claims["verdict_day"][data.claims["verdict_day"] >= "partly"]) <= {"partly", "supported"}
    assert (data.events["date_precision"] <= "month").all()


def test_events_carry_their_estimate(data):
    fresh = estimate(data.reports, data.sources).loc[data.events["event_id"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(data.events[list(fresh)], fresh)
    given = data.events.dropna(subset="killed_low")
    assert ((given["killed_low"] <= given["killed_best"]) & (given["killed_best"] <= given["killed_high"])).all()


# Counts and distances


def days(*ranges):
    return pd.DataFrame({"date_start": pd.to_datetime([r[0] for r in ranges]), "date_end": pd.to_datetime([r[-1] for r in ranges])})


@pytest.mark.parametrize(
    "event, inside",
    [
        (["2020-01-02", "2020-01-04"], False),
        (["2020-01-02", "2020-01-05"], True),
        (["2020-01-07"], True),
        (["2020-01-01", "2020-01-31"], True),
        (["2020-01-10", "2020-01-12"], True),
        (["2020-01-11"], False),
    ],
)
def test_between_takes_what_overlaps(event, inside):
    assert len(stats.between(days(event), "2020-01-05", "2020-01-10")) == inside


def test_certainly_takes_only_what_lies_within():
    events = days(("2020-01-05", "2020-01-10"), ("2020-01-04", "2020-01-06"), ("2020-01-09", "2020-01-11"))
    assert len(stats.certainly(events, "2020-01-05", "2020-01-10")) == 1


def test_every_claim_has_a_few_words_for_an_axis(data):
    assert set(charts.CLAIMS) == set(data.claims["claim_id"])
    assert all(len(words) <= 24 for words in charts.CLAIMS.values())
    assert charts.worded(data.claims["claim_id"])[17] == "C18 · Five rockets"


def test_few_names_the_first_and_counts_the_rest():
    assert charts.few(["a", "b"]) == "a, b"
    assert charts.few("abcde", most=2, between=" · ", last=" · and ") == "a · b · and 3 more"


def test_rate_is_a_week_over_all_that_can_have_happened():
    assert stats.rate(days(("2020-01-01", "2020-01-01"), ("2019-12-30", "2020-01-02")), "2020-01-01", "2020-01-14") == pytest.approx(1.0)


def test_witnesses_leave_out_what_states_no_origin():
    reports = pd.DataFrame({"event_id": ["a", "a", "b"], "source_id": ["s", "t", "s"], "origin": ["Reuters", "Not stated", "AFP"]})
    sources = pd.DataFrame({"source_id": ["s", "t"], "origin": ["Reuters", "Not stated"]})
    found = stats.witnesses(SimpleNamespace(reports=reports, sources=sources), "a")
    assert list(found["source_id"]) == ["s"]


def test_verdicts_have_a_row_for_each_claim_and_horizon():
    claims = pd.DataFrame({"claim_id": ["C01"], "claim": ["It rains."], "confidence": ["low"], "why": ["It does."], "verdict_day": ["partly"], "verdict_hindsight": ["contradicted"]})
    rows = charts.verdicts(claims, "claims.html")
    assert list(rows["Horizon"]) == ["On the day", "In hindsight"]
    assert list(rows["Verdict"]) == ["Partly", "Contradicted"]
    assert list(rows["Mark"]) == ["◐", "✕"]
    assert set(rows["link"]) == {"claims.html#C01"}


def test_weekly_spreads_a_range_and_keeps_the_total():
    events = days(["2020-01-06"], ["2020-01-12", "2020-01-13"], ["2020-01-19", "2020-01-22"])
    weeks = stats.weekly(events, "2020-01-08", "2020-02-01")
    assert (weeks.index.day_of_week == 0).all()
    assert weeks.to_dict() == pytest.approx({pd.Timestamp(f"2020-01-{d:02}"): n for d, n in [(6, 1.5), (13, 0.75), (20, 0.75), (27, 0)]})
    assert weeks.sum() == pytest.approx(len(events))


def test_seen_only_by_wants_every_report_of_a_side():
    reports = pd.DataFrame({"event_id": list("aabbc"), "alignment": ["iran_state", "iran_aligned", "iran_state", None, None]})
    assert stats.seen_only_by(SimpleNamespace(reports=reports), ["iran_state", "iran_aligned"]) == {"a"}


def test_chao_adds_half_the_square_of_the_singletons():
    assert stats.chao(pd.Series([1, 1, 1, 2, 5])) == pytest.approx(5 + 3 * 2 / (2 * 2))
    assert stats.chao(pd.Series([2, 3])) == 2


def test_before_and_after_gives_the_ratio_of_means():
    ratio, low, high, p = stats.before_and_after([4, 9, 2, 7, 3, 6, 5, 4] * 3, [12, 20, 8, 16, 11, 15, 9, 13] * 3)
    assert ratio == pytest.approx(104 / 40, rel=1e-3)
    assert 1 < low < ratio < high and p < 0.001


def test_shuffled_blocks_of_two_against_two_can_be_counted():
    seen, null, p = stats.shuffled_blocks([0] * 8, [1] * 8, draws=20000)
    assert seen == 1 and set(null) == {-1.0, 0.0, 1.0}
    assert p == pytest.approx(2 / 6, abs=0.02)  # 2 of the 6 ways to part two zeros and two ones


def test_shuffled_blocks_leave_out_a_last_short_block():
    assert stats.shuffled_blocks([1, 1, 1, 1, 99], [3, 3, 3, 3], draws=99)[0] == 2


def test_answered_counts_acts_with_a_later_reply():
    acts = pd.to_datetime(["2020-01-01", "2020-03-01"])
    share, null, p = stats.answered(acts, pd.to_datetime(["2020-01-01", "2020-01-08", "2020-02-29"]), draws=200)
    assert share == 0.5  # the day itself is no answer, the seventh day after is
    assert null.min() >= 0 and null.max() <= 1 and 0 < p <= 1


def test_answered_finds_answers_that_are_there():
    acts = pd.date_range("2019-01-01", periods=40, freq="18D")
    assert stats.answered(acts, acts + pd.Timedelta(days=2), within=4)[2] < 0.01


def test_drawn_days_stay_in_their_range():
    drawn = stats.drawn_days(days(["2020-01-05"], ["2020-01-07", "2020-01-10"]), draws=4000)
    assert drawn.shape == (4000, 2)
    assert set(drawn[:, 0].astype(str)) == {"2020-01-05"}
    assert set(drawn[:, 1].astype(str)) == {f"2020-01-{day:02}" for day in range(7, 11)}


def test_total_of_carries_the_disagreement_through():
    events = pd.DataFrame({"killed_low": [1, 0, None], "killed_best": [1, 2, None], "killed_high": [1, 10, None]}, dtype="Int64")
    low, middle, high = stats.total_of(events, "killed")
    assert 1 <= low < middle < high <= 11
    assert stats.total_of(events.iloc[:1], "killed") == (1, 1, 1)


def test_simulations_show_which_tests_hold_their_level(monkeypatch):
    monkeypatch.setattr(simulations, "SERIES", 60)
    table = simulations.run()
    found = table.groupby("test")["found"].max()
    assert found["Poisson"] > 0.25 > found["shuffled blocks of 4 weeks"]
    assert found["shuffle over the whole span"] > found["move each by up to 28 days"]
    stored = pd.read_csv(simulations.TABLE)
    assert list(stored.columns) == list(table.columns) and stored["test"].tolist() == table["test"].tolist()


@pytest.mark.parametrize(
    "filters, expected",
    [
        ({}, (3, 4)),
        ({"filter_domain": "proxy_attack"}, (2, 3)),
        ({"filter_kinds": "rocket|drone"}, (1, 2)),
        ({"filter_country": "Syria"}, (1, 1)),
        ({"filter_domain": "proxy_attack", "filter_targets": "usa"}, (1, 2)),
        ({"filter_places": "abu_kamal"}, (1, 1)),
    ],
)
def test_recount(filters, expected):
    events = days(["2020-01-05"], ["2020-01-07"], ["2020-01-09", "2020-01-12"], ["2020-01-10"], ["2020-02-01"]).assign(
        domain=["proxy_attack", "proxy_attack", "proxy_attack", "state_strike", "proxy_attack"],
        kind=["rocket", "mortar", "drone", "airstrike", "rocket"],
        place_id=["taji", "taji", "taji", "abu_kamal", "taji"],
        target_id=["usa", None, "usa", "pmf", "usa"],
    )
    data = SimpleNamespace(events=events, places=pd.DataFrame({"place_id": ["taji", "abu_kamal"], "country": ["Iraq", "Syria"]}))
    window = {"window_start": pd.Timestamp("2020-01-05"), "window_end": pd.Timestamp("2020-01-10")}
    none = dict.fromkeys(["filter_domain", "filter_kinds", "filter_country", "filter_targets", "filter_places"])
    assert stats.recount(data, window | none | filters) == expected


@pytest.mark.parametrize(
    "lat, lon, km",
    [
        pytest.param(33.5, 44, 0, id="on an edge"),
        pytest.param(33, 44, 0, id="on a corner"),
        pytest.param(32, 44.5, 111.2, id="a degree of latitude south"),
        pytest.param(35, 44.5, 111.2, id="a degree of latitude north"),
        pytest.param(33.5, 44.5, 46.4, id="inside, half a degree of longitude"),
    ],
)
def test_border_km(lat, lon, km):
    outline = {"type": "MultiPolygon", "coordinates": [[[[44, 33], [45, 33], [45, 34], [44, 34], [44, 33]]]]}
    assert stats.border_km(lat, lon, outline) == pytest.approx(km, abs=1)


# Charts


def drawn():
    rows = pd.DataFrame({"day": pd.to_datetime(["2020-01-03", "2020-01-08"]), "n": [1, 2]})
    chart = alt.Chart(rows).mark_bar().encode(x="day:T", y="n:Q")
    return charts.figure(chart, "fig-test", "Title", "Caption.", "A bar chart.", "Sources.")


def test_figure_carries_its_words():
    spec = drawn().to_dict()
    assert spec["usermeta"] == {"name": "fig-test", "title": "Title", "caption": "Caption.", "sources": "Sources."}
    assert spec["description"] == "A bar chart."


def test_renderer_gives_the_same_specification_each_time():
    first, second = drawn()._repr_mimebundle_(), drawn()._repr_mimebundle_()
    assert json.dumps(first) == json.dumps(second)
    assert set(first) == {charts.MIME, "text/plain"}
    assert first["text/plain"] == "[chart] Title"
    major = charts.MIME.split(".")[-1].split("+")[0]
    assert f"/{major}." in first[charts.MIME]["$schema"]


def test_labels():
    values = pd.Series(["rocket", "drone", "no such thing", None], dtype="category")
    assert charts.label(values, charts.WEAPONS).fillna("").tolist() == ["Rocket or mortar", "Drone", "", ""]
    scale = charts.scale(charts.WEAPONS)
    assert dict(zip(scale.domain, scale.range)) == dict(charts.WEAPONS.values())


def test_labels_cover_the_codebook(data):
    assert set(charts.DOMAINS) == set(data.events["domain"].cat.categories)
    assert set(charts.VERDICTS) == set(data.claims["verdict_day"].cat.categories)


# The hand-over to the book


def test_tell_emits_what_the_prose_reads(monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda *args, **kwargs: shown.append((args, kwargs)))
    retribution.tell(attacks=12, share="3 to 5")
    prefix = "application/papermill.record/"
    assert shown == [
        (({prefix + "text/plain": repr(text)},), {"raw": True, "metadata": {"scrapbook": {"name": name, "mime_prefix": prefix}}})
        for name, text in [("attacks", "12"), ("share", "3 to 5")]
    ]


def test_decides_lists_claims_as_asked(data):
    lines = retribution.decides(data.claims, "C25", "C04").data.splitlines()
    assert [line[:15] for line in lines] == ["- {claim}`C25` ", "- {claim}`C04` "]
    row = data.claims.set_index("claim_id").loc["C04"]
    assert row["claim"] in lines[1] and f"On the day {row['verdict_day']}, in hindsight {row['verdict_hindsight']}" in lines[1]
    with pytest.raises(KeyError):
        retribution.decides(data.claims, "C99")


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import retribution; retribution.load()", id="loads from any folder"),
        pytest.param(
            "import sys, retribution.charts, retribution.stats; assert not {'retribution.book', 'sphinx'} & set(sys.modules)",
            id="does without the build",
        ),
    ],
)
def test_import(tmp_path, code):
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
