"""Fingerprint."""

from __future__ import annotations

import hashlib

from raynas.graph.graph import Graph


def fingerprint(graph: Graph) -> str:
    """x"""
    return hashlib.sha256(graph.to_json().encode()).hexdigest()[:32]
