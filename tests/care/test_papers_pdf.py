"""Papers as PDF."""

from __future__ import annotations

import pytest

from endplate.care.papers import pdf
from endplate.errors import InputError

PAGE = (
    '<!doctype html><html lang="en"><head><title>A page</title></head>'
    "<body><h1>A page</h1><p>Words</p></body></html>"
)


def test_without_a_browser_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="none was found") as missing:
        pdf.pdf_of(PAGE)
    assert missing.value.code == "care-no-browser"


def test_a_browser_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf.shutil, "which", lambda name: "/bin/false" if name == "chromium" else None)
    with pytest.raises(InputError) as failed:
        pdf.pdf_of(PAGE)
    assert failed.value.code == "care-pdf-failed"


@pytest.mark.skipif(pdf.find_browser() is None, reason="no browser is installed")
def test_the_same_page_is_the_same_tagged_pdf() -> None:
    first = pdf.pdf_of(PAGE)
    assert first.startswith(b"%PDF")
    assert b"/StructTreeRoot" in first
    assert b"/Lang" in first
    assert first == pdf.pdf_of(PAGE)
