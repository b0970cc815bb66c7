"""Serving one study until interrupted."""
