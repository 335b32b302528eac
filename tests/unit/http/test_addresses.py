"""Result links lead nowhere that they should not: rows M01 to M28 of the hostile corpus.

A canary listens on every address of this computer; each spelling of a forbidden link must reach it
zero times.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.clients import KEY, PATIENT, Calls, calls
from support.raw_server import Raw, answering, raw, read_request, resolving
from urllib3.util import parse_url
from visioncraft.visioncraft_core import Client, GenerateXL, Profile, Secret
from visioncraft.visioncraft_core.errors import UnsafeURL
from visioncraft.visioncraft_core.http.addresses import check_url, is_public, percent_encoded
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
API = "http://127.0.0.1:9"

NUMBERS = [
    "127.1",
    "0",
    "0177.0.0.1",
    "0x7f000001",
    "2130706433",
    "127.0.0.1.",
    "0x7f.1",
    "017700000001",
]
LOOPBACK = ["127.0.0.1", "127.8.8.8", "0.0.0.0", "localhost", "LOCALHOST", "localhost.", *NUMBERS]  # noqa: S104
INSIDE_V6 = [
    *("[::1]", "[::]", "[::1%25lo]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:a9fe:a9fe]"),
    *("[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]"),
    *("[2001:0:7f00:1::]", "[fd00::1]", "[fec0::1]", "[fe80::1]", "[fd00:ec2::254]"),
    *("[ff02::1]", "[5f00::1]", "[3fff::1]", "[2001:db8::1]", "[100::1]"),
]
PRIVATE = [
    *("10.0.0.5", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "192.0.0.1"),
    *("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "198.18.0.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("192.0.2.1", "198.51.100.1", "203.0.113.1"),
]
HOSTS = [*LOOPBACK, *INSIDE_V6, *PRIVATE]
TRICKS = [
    *(
        "http://ok.test@127.0.0.1:{port}/",
        "https://u:p@ok.test/",
        "https://127.0.0.1:{port}@ok.test/",
    ),
    *("http://127.0.0.1:{port}\\.ok.test/", "http://127.0.0.1:{port}\\@ok.test/"),
    *("http://127.0.0.1:{port}#@ok.test/", "http://127.0.0.1:{port}?@ok.test/"),
    *("http://a%2eb/", "http://ok.test%00@127.0.0.1:{port}/", "http://１２７.0.0.1:{port}/"),
    *("http://①②⑦.⓪.⓪.①:{port}/", "https://ok.test/x\r\nX: y", " http://127.0.0.1:{port}/"),
    *("https://ok\t.test/", "https://ok.test/\x00", "https://ok.test/\x7f", "https://ok.test/ü"),
    *("file:///etc/passwd", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/x", "data:,x"),
    *("javascript:alert(1)", "jar:http://127.0.0.1:{port}/!x", "unix:///var/run/docker.sock"),
    *(
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
        "HTTP://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/x",
    ),
    *(
        "http:127.0.0.1:{port}/",
        "http:///x",
        "https:ok.test",
        "",
        "/x",
        "x",
        "http://",
        "https://:443/",
    ),
    *("https://ok.test:22/", "https://ok.test:0/", "https://ok.test:99999/", "https://ok.test:-1/"),
    *("https://ok.test:80:81/", "https://ok.test:４４３/", "https://ok.test:8443/"),
    *("https://ok.test/" + "x" * 100_000, "http://ok.test/a.png", "http://127.0.0.1:8/other-port"),
]


@pytest.fixture(scope="module")
def canary() -> Iterator[Raw]:
    """Listens on every address of this computer, of both families where there are two."""
    listener = socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET)
    if socket.has_ipv6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("", 0))
    listener.listen()
    with raw(answering(OK)) as server:
        server.listen_on(listener)
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield server
        listener.close()


def downloads(base_url: str = API, **settings: object) -> Calls:
    return calls(base_url, **settings)


def test_the_canary_sings_when_it_is_reached(canary: Raw):
    before = canary.connections
    assert downloads(canary.url).fetch(canary.url + "/x") == b"abc"
    assert canary.connections == before + 1


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_of_an_inner_address_is_reached(scheme: str, host: str, canary: Raw):
    before = canary.connections
    port = canary.url.rpartition(":")[2]
    for url in (f"{scheme}://{host}:{port}/x", f"{scheme}://{host}/x"):
        with pytest.raises(UnsafeURL):
            downloads().fetch(url)
    assert canary.connections == before


@pytest.mark.parametrize("url", TRICKS, ids=lambda url: ascii(url)[:40])
def test_no_trick_of_writing_is_fetched(url: str, canary: Raw):
    before = canary.connections
    with pytest.raises(UnsafeURL) as caught:
        downloads().fetch(url.replace("{port}", canary.url.rpartition(":")[2]))
    assert caught.value.charged == "yes"
    assert canary.connections == before


@pytest.mark.parametrize(
    "answers", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::1"], ["10.0.0.1"]]
)
def test_a_name_that_leads_inside_is_refused_when_it_is_dialled(
    answers: list[str], canary: Raw, monkeypatch: pytest.MonkeyPatch
):
    before = canary.connections
    asked = resolving(monkeypatch, answers)
    with pytest.raises(UnsafeURL, match="this computer or its network"):
        downloads().fetch("https://inner.test/x")
    assert (len(asked), canary.connections) == (1, before)


def test_a_name_that_changes_its_mind_reaches_nothing(canary: Raw, monkeypatch: pytest.MonkeyPatch):
    before = canary.connections
    # Each look-up is judged and dialled as it is: there is no second one to cheat.
    asked = resolving(monkeypatch, [], ["127.0.0.1"])
    with pytest.raises(UnsafeURL):
        downloads().fetch("https://rebinding.test/x")
    assert len(asked) == 2
    assert canary.connections == before


def test_a_host_that_the_profile_names_may_be_plain_and_inside(canary: Raw):
    host = canary.url.partition("//")[2]
    assert downloads(result_hosts=(host,)).fetch(canary.url + "/x") == b"abc"
    with pytest.raises(UnsafeURL):
        downloads(result_hosts=("127.0.0.1",)).fetch(canary.url + "/x")


def test_a_link_with_the_key_in_it_is_not_fetched(home):
    link = f"https://ok.test/x.png?token={KEY}"
    with Sandbox(faults=[parse(f"generate-xl=link:{link}")]) as sandbox:
        client = Client(Profile("test", sandbox.url, Secret(KEY), PATIENT), home=home)
        with pytest.raises(UnsafeURL, match="contains your key") as caught:
            client.send(GenerateXL(prompt="a fox", width=64, height=64))
    assert KEY not in str(caught.value)


def test_a_file_host_gets_nothing_but_the_address_and_what_is_accepted():
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(OK)

    with raw(talk) as server:
        downloads(server.url).fetch(server.url + "/1.png")
    names = {line.partition(b":")[0].lower() for line in seen[0].splitlines()[1:] if line}
    assert names <= {b"host", b"user-agent", b"accept", b"accept-encoding", b"connection"}


addresses = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.integers(0, 2**128 - 1).map(IPv6Address),
    st.integers(0, 2**32 - 1).map(lambda n: IPv6Address(n | 0xFFFF << 32)),
)


@given(addresses)
@example(IPv6Address("64:ff9b::7f00:1"))
def test_what_is_public_is_never_what_the_standard_library_calls_special(ip):
    if is_public(str(ip)):
        judged = getattr(ip, "ipv4_mapped", None) or ip
        kinds = ("private", "loopback", "link_local", "multicast", "reserved", "unspecified")
        assert not [kind for kind in kinds if getattr(judged, f"is_{kind}")]


def spelled(ip: IPv4Address) -> list[str]:
    number, parts = int(ip), str(ip).split(".")
    octal = ".".join(f"0{int(p):o}" for p in parts)
    return [str(ip), str(number), hex(number), octal, f"[::ffff:{ip}]", f"{ip}."]


@given(
    st.sampled_from(["127.0.0.0/8", "10.0.0.0/8", "192.168.0.0/16", "169.254.0.0/16"]),
    st.integers(0, 2**16 - 1),
    st.integers(0, 5),
    st.sampled_from(["", "user@", "user:pass@"]),
)
def test_every_spelling_of_a_private_address_is_refused(
    block: str, offset: int, spelling: int, user: str
):
    from ipaddress import ip_network

    host = spelled(IPv4Address(int(ip_network(block)[0]) + offset))[spelling]
    with pytest.raises(UnsafeURL):
        downloads().fetch(f"https://{user}{host}/x")


@given(st.text(max_size=60), st.sampled_from(["http://", "https://", ""]))
def test_where_a_link_is_understood_every_parser_understands_the_same(text: str, scheme: str):
    url = scheme + text
    try:
        parts = check_url(url)
    except ValueError:
        return
    other = parse_url(url)
    assert (parts.hostname, parts.port) == ((other.host or "").strip("[]"), other.port)
    assert "@" not in urlsplit(url).netloc
    for worse in (url.replace("//", "//user@", 1), url.replace("//", "//a\\", 1)):
        with pytest.raises(ValueError, match=r".+"):
            check_url(worse)


def test_any_text_is_no_public_address():
    for text in ("", "x", "1.2.3", "::g", "999.1.1.1"):
        assert not is_public(text)
    assert is_public(str(ip_address("93.184.215.14")))


@pytest.mark.parametrize(
    ("url", "encoded"),
    [
        (
            "https://a.test/grün/füchse.png?größe=1",
            "https://a.test/gr%C3%BCn/f%C3%BCchse.png?gr%C3%B6%C3%9Fe=1",
        ),
        ("https://a.test/灯り🦊.png", "https://a.test/%E7%81%AF%E3%82%8A%F0%9F%A6%8A.png"),
        ("/results/grün.png", "/results/gr%C3%BCn.png"),
        ("https://a.test/grün.png".encode().decode("latin-1"), "https://a.test/gr%C3%BCn.png"),
        ("https://a.test/gr%C3%BCn.png?a=b%20c+d", "https://a.test/gr%C3%BCn.png?a=b%20c+d"),
        ("https://grün.test/x.png", "https://grün.test/x.png"),
        ("https://a.test/\ud800.png", "https://a.test/\ud800.png"),
        ("", ""),
    ],
)
def test_letters_of_a_path_are_percent_encoded(url: str, encoded: str):
    assert percent_encoded(url) == encoded
