"""The leaderboard as a static site: no server, nothing from elsewhere, the same bytes for the same submissions."""

from emcoop.leaderboards.site.building import build_site as build_site
