"""The viewer: one episode as one HTML file that needs no server, no network and no other file."""

from emcoop.viewer.page import build_page as build_page
from emcoop.viewer.page import write_page as write_page
