"""The colours of the book and what they stand for; apart from the charts, so that pages need no Altair."""

MIME = "application/vnd.vegalite.v6+json"

# Okabe and Ito (2008), darkened to 3:1 on white where needed; the build maps each to its twin in the dark theme.
INK, MUTED, RULE, LAND, HOME = "#1c2733", "#56626f", "#d4d9df", "#e6e9ec", "#fbfbf8"
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GOLD, PALE = "#0072b2", "#c2570c", "#00795a", "#b3261e", "#8f4a86", "#3a8fc4", "#9a7200", "#a9d3ee"

DOMAINS = {
    "diplomacy": ("Diplomacy", BLUE),
    "iraqi_politics": ("Iraqi politics", GREEN),
    "proxy_attack": ("Proxy attacks", ORANGE),
    "state_strike": ("State strikes", RED),
    "force_posture": ("Force posture", PURPLE),
    "iran_domestic": ("Inside Iran", GOLD),
}
