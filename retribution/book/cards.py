"""A card for each claim, event and source that a page refers to: what it is, in a line or two, without leaving the page."""

import re
from html import escape

from .register import best, day, index, origins, when

LINK = re.compile(r'<a class="card[^"]*" href="[^"#]*#([^"]+)"')
NUMBER = re.compile(r'(<a class="card[^"]*" href="[^"#]*#(C\d\d)")(?=>(?:<[^>]+>)*\2<)')  # a claim shown by its number alone


def _claim(claim_id):
    claim = index().judged[claim_id]
    return f"<p>{claim_id}: {escape(claim.claim)}</p><p>On the day <strong>{claim.verdict_day}</strong>, in hindsight <strong>{claim.verdict_hindsight}</strong>.</p>"


def _event(event_id):
    event = index().events[event_id]
    figures = "".join(f" · {measure} {words}" for measure in ("killed", "wounded") if (words := best(event, measure)))
    return f"<p><strong>{escape(event.title)}</strong></p><p>{when(event)} · {escape(index().places[event.place_id])}{figures} · told by {origins(event)}</p>"


def _source(source_id):
    source = index().sources[source_id]
    return f"<p>{escape(source.title)}</p><p>{escape(source.origin)} · {day(source.published)}</p>"


def _add(app, docname, template, context, doctree):
    """Append the cards of a page, once each; one local script shows them at the links, which work without."""
    if app.builder.name != "html" or doctree is None:
        return
    cards = ""
    context["body"] = NUMBER.sub(lambda link: f'{link[1]} aria-label="Claim {link[2]}: {escape(index().claims[link[2]])}"', context["body"])
    for name in dict.fromkeys(LINK.findall(context["body"])):
        card = _claim if name in index().claims else _event if name in index().titles else _source
        cards += f'<div id="card-{name}">{card(name)}</div>'
    if cards:
        context["body"] += f"<div hidden>{cards}</div>"
        app.add_js_file("cards.js", loading_method="defer")


def setup(app):
    """Give each page its cards as it is written."""
    app.connect("html-page-context", _add)
