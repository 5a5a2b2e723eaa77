"""Requests to a TensorFlow Serving server's REST API: repeated where that can help, errors in its own words."""

import codecs
import json
import random
import re
import time
from typing import Any
from urllib.parse import quote

import requests
from urllib3.exceptions import InvalidHeader, ReadTimeoutError
from urllib3.util import Retry

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds from the first attempt to the second, doubled each time, and at most, whatever a server asks for."""
WORDS = 600
"""Characters of a server's error that are passed on: it may quote the whole request."""
UNAVAILABLE = {502, 503, 504}
"""Statuses of a server that is busy, or that a proxy does not reach: a little later it may answer."""
REMEDIES = {
    404: "check the url, the model's name and its version",
    413: "send fewer or smaller images at a time",
}


class Endpoint:
    """Where one model is served. May be used by many threads at a time.

    A request is sent again when the connection fails or 502, 503 or 504 is answered: after 0.5, 1, 2, ... seconds,
    at random up to a half less, so that clients that failed together do not come back together, or when the
    server's Retry-After says. One that timed out is not sent again: the server, still at work on it, would have
    more to do.

    Args:
        url, model, version, timeout, retries, session: see `Client`.
        connections: kept open, as many as threads use it.

    Raises:
        ValueError: no such url, or no model.
    """

    def __init__(self, url, model, version, timeout, retries, session, connections):
        if not re.match("https?://[^/]", url):
            raise ValueError(
                f"url must begin with http:// or https:// and a host; received {url!r}; "
                "pass one such as http://localhost:8501."
            )
        if not model:
            raise ValueError("model must be a model's name on the server; received none; pass one.")
        self.url = f"{url.rstrip('/')}/v1/models/{quote(model, safe='')}"
        if version not in (None, ""):
            kind = "versions" if re.fullmatch("[0-9]+", str(version)) else "labels"
            self.url += f"/{kind}/{quote(str(version), safe='')}"
        self.timeout = timeout
        self.retries = retries
        self.session = session or requests.Session()
        if session is None:
            for scheme in ("http://", "https://"):
                self.session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=connections))

    def request(self, path: str, body: Any = None) -> dict[str, Any]:
        """The JSON object that the server answers, to a GET or, with a body, to a POST.

        Raises:
            ValueError, TimeoutError, ConnectionError: see `Client`.
        """
        url = self.url + path
        # A redirection would make a POST a GET; REQUESTS_CA_BUNDLE would go before the session's own certificates.
        options: dict[str, Any] = {
            "timeout": self.timeout,
            "allow_redirects": False,
            "verify": self.session.verify,
        }
        if body is not None:
            options |= {
                "data": json.dumps(body).encode(),
                "headers": {"Content-Type": "application/json"},
            }
        # urllib3's own retries end before the answer's body, where a server that is stopped breaks off.
        for attempt in range(self.retries + 1):
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2**attempt) * random.uniform(0.5, 1)
            try:
                response = self.session.request("GET" if body is None else "POST", url, **options)
            except requests.exceptions.SSLError as error:
                raise ConnectionError(
                    f"A certificate that can be verified is required; {url} failed: {_reason(error)}; "
                    "check the url, or name the certificate's authority in REQUESTS_CA_BUNDLE."
                ) from None
            except (
                requests.ConnectionError,
                requests.ReadTimeout,
                requests.exceptions.ChunkedEncodingError,
            ) as error:
                if _timed_out(error):
                    raise TimeoutError(
                        f"An answer is required within {self.timeout:g} seconds; {url} gave none; "
                        "allow more time, or send fewer images at a time."
                    ) from None
                failure = f"cannot be reached: {_reason(error)}"
            except requests.RequestException as error:
                raise ValueError(
                    f"A url that can be asked is required; {url}: {error}; correct it."
                ) from None
            else:
                if response.status_code not in UNAVAILABLE:
                    return _answer(response, url)
                failure = f"answered {response.status_code}: {_words(response) or response.reason}"
                wait = _retry_after(response, wait)
            if attempt < self.retries:
                time.sleep(wait)
        raise ConnectionError(
            f"A running server is required; {url} {failure} (tried {self.retries + 1} times); "
            "check the url and the server."
        )


def _timed_out(error: requests.RequestException) -> bool:
    """Whether the server kept silent; within the answer's body that is a ConnectionError of requests'."""
    return isinstance(error, requests.ReadTimeout) or isinstance(
        next(iter(error.args), None), ReadTimeoutError
    )


def _answer(response: requests.Response, url: str) -> dict[str, Any]:
    code, words = response.status_code, _words(response)
    # 500 is about what was asked: others may be answered.
    broken = ConnectionError if code != 500 else ValueError
    if response.is_redirect:
        location = response.headers["Location"]
        raise ConnectionError(
            f"The server's own url is required; {url} redirects to {location}; use that one's."
        )
    if words is not None:
        remedy = REMEDIES.get(code, "correct the request" if code < 500 else "see the server's log")
        kind = ValueError if code < 500 else broken
        raise kind(
            f"A request that the server accepts is required; {url} answered {code}: {words}; {remedy}."
        )
    try:
        answer = json.loads(response.content) if response.ok else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        kind = response.headers.get("Content-Type", "no type")
        raise broken(
            f"TensorFlow Serving is required; {url} answered {code} {response.reason} with {kind}, which is none of "
            "its answers; check the url, and the proxy if there is one."
        )
    return answer


def _words(response: requests.Response) -> str | None:
    """The error in a server's answer, as one line; None where there is none."""
    text = response.content.decode("utf-8", "replace")
    found = re.fullmatch(r'\s*\{\s*"error"\s*:\s*"(.*)"\s*\}\s*', text, re.DOTALL)
    if not found:
        return None
    try:
        words = json.loads(f'"{found[1]}"', strict=False)
    except ValueError:
        # The server escapes the text as in C, with \' and octal bytes, which JSON does not know.
        raw = found[1].encode("latin-1", "backslashreplace")
        words = (
            codecs.decode(raw, "unicode_escape", "replace")
            .encode("latin-1", "replace")
            .decode("utf-8", "replace")
        )
    words = " ".join(words.split()).rstrip(".;")
    return words if len(words) <= WORDS else f"{words[: WORDS // 2]} ... {words[-WORDS // 2 :]}"


def _retry_after(response: requests.Response, otherwise: float) -> float:
    """The seconds that the server asks for, or else `otherwise`."""
    try:
        return min(LONGEST_WAIT, Retry().parse_retry_after(response.headers["Retry-After"]))
    except (KeyError, InvalidHeader):
        return otherwise


def _reason(error: BaseException) -> str:
    """The innermost words of an error that urllib3 and requests have wrapped."""
    while isinstance(
        inner := getattr(error, "reason", None) or error.__cause__ or error.__context__,
        BaseException,
    ):
        error = inner
    return getattr(error, "strerror", None) or str(error)
