"""The look of the book's charts, and the one call that makes a chart a figure."""

import warnings

import altair as alt

from .palette import BLUE, DOMAINS, GOLD, GREEN, HOME, INK, LAND, MIME, MUTED, ORANGE, PALE, PURPLE, RED, RULE, SKY
from .shelves import shelf

WIDTH = 660
ARTICLE = "2020-01-31"

WEAPONS = {
    "rocket": ("Rocket or mortar", ORANGE),
    "roadside_bomb": ("Roadside bomb", PURPLE),
    "drone": ("Drone", SKY),
    "other": ("Other", MUTED),
}
NEIGHBOURS = [("IRAN", 34.6, 47.4), ("SYRIA", 35.2, 39.2), ("TURKEY", 37.3, 40.5), ("SAUDI ARABIA", 30.2, 41.0), ("JORDAN", 32.35, 38.35), ("KUWAIT", 29.25, 47.37)]
VERDICTS = {
    "supported": ("Supported", BLUE),
    "partly": ("Partly", PALE),
    "undecidable": ("Undecidable", MUTED),
    "unsupported": ("Unsupported", GOLD),
    "contradicted": ("Contradicted", RED),
}
SIGNS = {"Supported": "●", "Partly": "◐", "Undecidable": "?", "Unsupported": "○", "Contradicted": "✕"}
CLAIMS = {  # a few words for an axis; the claims themselves are in claims.csv
    "C01": "Iran taken up at home",
    "C02": "Iran's push stalled",
    "C03": "US digging in",
    "C04": "Zarif's tweet",
    "C05": "Talks only as 5+1",
    "C06": "Zarif in Der Spiegel",
    "C07": "Rally at the ministry",
    "C08": "Calls for him to resign",
    "C09": "A cleric's rebuke",
    "C10": "Protesters' dismay",
    "C11": "Tweet calmed nobody",
    "C12": "Confusion at first",
    "C13": "Parliament's vote",
    "C14": "Exit momentum broken",
    "C15": "Trump met Salih",
    "C16": "White House read-out",
    "C17": "Three new bases",
    "C18": "Five rockets",
    "C19": "Three wounded",
    "C20": "Fired by militias",
    "C21": "On Tehran's order",
    "C22": "Weaker than 31 December",
    "C23": "Kata'ib tried to enter",
    "C24": "Protests over corruption",
    "C25": "Premier condemned it",
    "C26": "Limits of Iran's reach",
}


@alt.theme.register("book", enable=True)
def _theme():
    text = {"labelColor": MUTED, "titleColor": MUTED, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    return {
        "background": "transparent",
        "padding": {"left": 8, "right": 8, "top": 4, "bottom": 4},
        "config": {
            "font": "Arial, Liberation Sans, Helvetica, sans-serif",
            "axis": text | {"gridColor": RULE, "domainColor": MUTED, "tickColor": MUTED, "labelLimit": 240},
            "axisQuantitative": {"labelOverlap": "greedy", "labelSeparation": 4},
            "axisTemporal": {"labelOverlap": "greedy", "labelSeparation": 6},
            "header": text | {"labelFontWeight": "bold"},
            "legend": text | {"orient": "top", "title": None, "symbolType": "square", "columns": 3, "labelLimit": 240},
            "title": {"anchor": "start", "color": INK, "fontSize": 13},
            "text": {"color": INK, "fontSize": 12},
            "rule": {"color": MUTED},
            "view": {"stroke": None, "continuousWidth": WIDTH, "discreteWidth": WIDTH, "continuousHeight": 260},
        },
    }


def _render(spec, **options):
    return {MIME: spec, "text/plain": f"[chart] {spec.get('usermeta', {}).get('title', '')}"}


alt.renderers.register("book", _render)
alt.renderers.enable("book")

# One zoom moves all the panels of a figure: that it is one and not several is meant.
warnings.filterwarnings("ignore", "Automatically deduplicated selection parameter")


def scale(words):
    """Return the ``alt.Scale`` that gives each label of ``DOMAINS``, ``WEAPONS`` or ``VERDICTS`` its colour."""
    labels, colours = zip(*words.values())
    return alt.Scale(domain=list(labels), range=list(colours))


def label(values, words):
    """Return ``values`` with each key of ``words`` replaced by its label."""
    return values.astype(object).map({key: name for key, (name, _) in words.items()})


def worded(claim_ids):
    """Return each of a Series of claims as its number and a few words, such as ``C18 · Five rockets``."""
    return claim_ids + " · " + claim_ids.map(CLAIMS)


def verdict_colour(rows):
    """Return the colour of ``rows`` by ``Verdict``; its legend has those that occur."""
    occur = [name for name in SIGNS if name in set(rows["Verdict"])]
    return alt.Color("Verdict:N", scale=scale(VERDICTS), legend=alt.Legend(values=occur, columns=2))


def verdict_signs(rows):
    """Return what the signs on the cells of ``rows`` mean, for a caption."""
    return ", ".join(f"{sign} {name.lower()}" for name, sign in SIGNS.items() if name in set(rows["Verdict"]))


def verdicts(claims, register):
    """Return one row per claim and horizon: words, the sign drawn on the cell, and the link into ``register``."""
    rows = claims.melt(["claim_id", "claim", "confidence", "why"], ["verdict_day", "verdict_hindsight"], "Horizon", "verdict")
    rows["Horizon"] = rows["Horizon"].map({"verdict_day": "On the day", "verdict_hindsight": "In hindsight"})
    rows["Verdict"] = label(rows["verdict"], VERDICTS)
    rows["Mark"] = rows["Verdict"].map(SIGNS)
    rows["Claim"] = worded(rows["claim_id"])
    rows["link"] = register + "#" + rows["claim_id"]
    return rows.drop(columns="verdict").astype({"confidence": str})


def figure(chart, name, title, caption, description, sources):
    """Return ``chart`` as a numbered figure of the book; the build reads the words from its ``usermeta``.

    ``name`` is its permanent anchor, ``caption`` says what to see and how sure it is, ``description`` is the
    text for those who do not see it, ``sources`` names where the rows come from.
    """
    return chart.properties(
        description=description,
        usermeta={"name": name, "title": title, "caption": caption, "sources": sources},
    )


def few(names, most=3, between=", ", last=" and "):
    """Return the first ``most`` of ``names`` as one string, with how many there are besides."""
    names = list(names)
    return between.join(names[:most]) + (f"{last}{len(names) - most} more" if len(names) > most else "")


def origins(data, events, most=5):
    """Return a sentence naming the origins behind ``events`` (a frame with ``event_id``), most used first."""
    rows = data.reports[data.reports["event_id"].isin(events["event_id"])]
    count = rows.groupby("origin").size().reset_index(name="n").sort_values(["n", "origin"], ascending=[False, True])
    named = few(count.loc[count["origin"] != "Not stated", "origin"], most)
    return f"{len(rows):,} reports in {rows['source_id'].nunique():,} documents, by {named}."


def linked(data, rows):
    """Return ``rows`` with two columns more: ``link``, each event's entry in the register as a chapter sees it, and ``told by``.

    ``rows`` has ``event_id``; ``told by`` names the three origins with the most reports, and how many there are besides.
    """
    told = data.reports[data.reports["event_id"].isin(rows["event_id"])].groupby(["event_id", "origin"]).size().reset_index(name="n")
    told = told.sort_values(["event_id", "n", "origin"], ascending=[True, False, True]).groupby("event_id")["origin"]
    words = told.agg(few)
    return rows.assign(
        link=[f"../register/{shelf('event', event)}.html#{event}" for event in rows["event_id"]],
        **{"told by": rows["event_id"].map(words).fillna("")},
    )


def zoom():
    """Return the selection that lets a reader zoom in time: Ctrl and the wheel zooms, dragging pans, a double click resets."""
    return alt.selection_interval(name="zoom", bind="scales", encodings=["x"], zoom="wheel![event.ctrlKey]", translate="[mousedown, window:mouseup] > window:mousemove!", clear="dblclick")


def line_at(color=ORANGE, **position):
    """Return a reference line at ``x`` or ``y``; it is no row of the figure's data. A string is a day."""
    (channel, value), = position.items()
    shorthand = "at:T" if isinstance(value, str) else "at:Q"
    return alt.Chart(alt.InlineData(values=[{"at": value}])).mark_rule(color=color, strokeDash=[5, 3], strokeWidth=2, clip=True).encode(**{channel: shorthand})


def names(rows, always, project):
    """Return two layers of site names: those of ``always``, and the rest, which a narrow page leaves out."""
    def layer(part, **mark):
        text = alt.Chart(part).mark_text(align="left", dx=9, dy=-7, fontSize=11, **mark)
        return text.encode(longitude="lon:Q", latitude="lat:Q", text="name:N").project(**project)

    few = rows["name"].isin(always)
    return layer(rows[few]) + layer(rows[~few], style="wide")


def basemap(data, box, width=WIDTH, height=440):
    """Return land, Iraqi governorates and names of neighbours within ``box``, and the projection to share; a narrow page has no room for the small ones' names.

    ``box`` is (west, south, east, north) in degrees.
    """
    west, south, east, north = box
    corners = {"type": "Feature", "properties": {}, "geometry": {"type": "MultiPoint", "coordinates": [[west, south], [east, north]]}}
    project = dict(type="mercator", fit=corners, clipExtent=[[0, 0], [width, height]])

    def outline(features, **mark):
        return alt.Chart(alt.Data(values=features)).mark_geoshape(clip=True, **mark).properties(width=width, height=height).project(**project)

    land = outline(data.geo["land"]["features"], fill=LAND, stroke=MUTED, strokeWidth=0.8)
    iraq = [f for f in data.geo["land"]["features"] if f["properties"]["name"] == "Iraq"]
    home = outline(iraq, fill=HOME, stroke=MUTED, strokeWidth=1.2)
    governorates = outline(data.geo["iraq-governorates"]["features"], fill=None, stroke=RULE, strokeWidth=0.8)

    def called(small, **mark):
        inside = [dict(name=n, lat=a, lon=o) for n, a, o in NEIGHBOURS if south < a < north and west < o < east and (n in ("JORDAN", "KUWAIT")) == small]
        return alt.Chart(alt.InlineData(values=inside)).mark_text(fontSize=10, color=MUTED, **mark).encode(longitude="lon:Q", latitude="lat:Q", text="name:N").project(**project)

    return land + home + governorates + called(False) + called(True, style="wide"), project
