import pytest

from cmk_rotation.domain.redaction import one_line, visible, without_query_of


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
        ("https://user:SECRET@h/p", "https://h/p"),
        ("https://h/https://user:SECRET@h/p?s=SECRET", "https://h/https://h/p?…"),
        ("athttps://h?sig=SECRET", "athttps://h?…"),
        ("see https://aka.ms/x.", "see https://aka.ms/x."),
        ("path '/s/x/operationStatuses/a?api-version=1&s=SECRET' is odd", "path '/s/x/operationStatuses/a?…' is odd"),
        (
            "with url: /operationStatuses/a?t=6&amp;s=SECRET (Caused by x)",
            "with url: /operationStatuses/a?… (Caused by x)",
        ),
        ("GET a?%24filter=SECRET", "GET a?…"),
        ("Is it there? a=b says so", "Is it there? a=b says so"),
        ("Authorization: Bearer eyJSECRET.x-y_z=", "Authorization: Bearer …"),
        ('{"access_token": "eyJhbGciOiJSUzI1NiJ9.SECRET.SECRET"', '{"access_token": "…"'),
        ("the cluster eyJ-logs in rg-eyJhbGciOiJSUzI1NiJ9", "the cluster eyJ-logs in rg-…"),
    ],
)
def test_a_text_is_put_on_one_line_without_its_secrets(text: object, line: str) -> None:
    assert one_line(text) == line


def test_a_long_text_is_cut_to_its_length() -> None:
    assert one_line("x" * 500) == "x" * 500
    assert one_line("x" * 501) == "x" * 499 + "…"
    assert len(one_line("x" * 9_000, 20)) == 20


def test_of_a_very_long_text_only_the_beginning_is_read() -> None:
    queries = "https://h?" + "s" * 5_000 + " "
    assert one_line(queries * 20) == " ".join(["https://h?…"] * 4)
    assert one_line("x " * 9_000 + "https://user:SECRET").startswith("x x ")


def test_a_url_at_the_end_of_what_is_read_is_left_out_only_if_it_may_go_on() -> None:
    whole = "s" * (16_384 - len(" https://host")) + " https://host"
    assert one_line(whole, 20_000) == whole
    assert one_line(f"{whole}x", 20_000) == whole.removesuffix("://host")
    assert one_line("://" + "s" * 20_000) == ""
    assert one_line("https:// " + "s" * 20_000).startswith("https:// s")


@pytest.mark.parametrize("before", range(16_384 - 30, 16_384))
def test_no_password_is_shown_because_a_text_was_cut_before_its_host(before: int) -> None:
    query = "https://h?"
    text = query + "s" * (before - len(query) - 1) + " https://user:SECRETSECRET@host/path and on"
    assert "SECRET" not in one_line(text)
    assert one_line(text).startswith("https://h?…")


URL = (
    "https://management.azure.com/s/operationStatuses/a?api-version=2025-07-01&t=638&c=MIIH%2Bcert&s=SECRETSIGNATURE#x"
)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("nothing to hide", "nothing to hide"),
        ("the value SECRETSIGNATURE is wrong", "the value … is wrong"),
        ("s='secretsignature'", "s='…'"),
        ("cut in the middle: SECRETSIG…", "cut in the middle: …"),
        ("c=MIIH%2Bcert&t=638", "c=…&t=638"),
        ("c=MIIH+cert&t=638", "c=…&t=638"),
        ("c=MIIH%2bcert&t=638", "c=…&t=638"),
        ("api-version 2025-07-01 is not supported at 638", "api-version 2025-07-01 is not supported at 638"),
    ],
)
def test_the_values_of_a_query_are_taken_out_of_a_text(text: str, clean: str) -> None:
    assert without_query_of(URL)(text) == clean


@pytest.mark.parametrize(
    ("query", "text", "clean"),
    [
        ("s=c2lnbmF0dXJlLXBhZA==", "c2lnbmF0dXJlLXBhZA==", "…"),
        ("s=ONEHALF?ANOTHERHALF", "ONEHALF?ANOTHERHALF", "…"),
        ("s=SECRETSIGNATURE#a&b=WHATEVERITIS#c", "WHATEVERITIS", "WHATEVERITIS"),
        ("s=ab/cd+ef=ghi", "ab%2Fcd%2Bef%3Dghi", "…"),
        ("s=12345678", "it was 12345678", "it was 12345678"),
        ("s=123456789", "it was 123456789", "it was …"),
    ],
)
def test_a_value_is_whatever_stands_in_the_query_and_is_too_long_to_be_a_word(
    query: str, text: str, clean: str
) -> None:
    assert without_query_of(f"https://h/p?{query}")(text) == clean


@pytest.mark.parametrize("url", ["", "https://h/p", "https://h/p?", "https://h/p?a&b=&c=short"])
def test_a_url_without_secrets_takes_nothing_out(url: str) -> None:
    assert without_query_of(url)("a&b=&c=short of anything") == "a&b=&c=short of anything"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, Grüße 🔑", "plain, Grüße 🔑"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred\x9b0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9d52;c;AAAA\x9cafter", "after"),
        ("\x1b]0;never ends", ""),
        ("\x1bPq\x1b\\a\x1b_x\x1b\\b\x1b^x\x07c\x1bXx\x9cd", "abcd"),
        ("\x1bc\x1b(B\x1b7\x1b", ""),
        ("two\r\nlines\x08\x7f\x85\u2028end", "two lines end"),
        ("\u202egnp.exe\u2066", "gnp.exe"),
        ("half \ud83d a key", "half a key"),
    ],
)
def test_what_a_terminal_would_obey_is_not_shown(text: str, shown: str) -> None:
    assert visible(text) == shown
