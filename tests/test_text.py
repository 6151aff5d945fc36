import pytest

from cmk_rotation.text import one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        (" two\r\n\tlines\x00\u2028end ", "two lines end"),
        (7, "7"),
        ("half \ud83d a key", "half a key"),
        ("Grüße 🔑", "Grüße 🔑"),
        ("GET https://h/p?t=SECRET&c=x failed", "GET https://h/p?… failed"),
        ("at 'https://h?sig=SECRET'", "at 'https://h?…'"),
        ("https://user:SECRET@h/p?q", "https://h/p?…"),
        ("see https://aka.ms/x.", "see https://aka.ms/x."),
        ("Authorization: Bearer eyJSECRET.x-y_z=", "Authorization: Bearer …"),
    ],
)
def test_a_text_is_put_on_one_line_without_its_secrets(text: object, line: str) -> None:
    assert one_line(text) == line


def test_a_long_text_is_cut_to_its_length() -> None:
    assert one_line("x" * 500) == "x" * 500
    assert one_line("x" * 501) == "x" * 499 + "…"
    assert len(one_line("x" * 9_000, 20)) == 20
