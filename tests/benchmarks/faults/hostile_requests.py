"""Sends hostile requests to a page, which must answer them in a sentence and write little."""

import json
import random
import time
import uuid
from pathlib import Path

import processes
from forged_requests import forged_events, forged_files, forged_paths
from page_visitor import Page, free_port
from tally import Tally

MAX_LINE = 500
"""Maximum number of characters of a line in the log."""
KINDS = {"events": forged_events, "files": forged_files, "paths": forged_paths}


def run(work_dir: Path, count: int, seed: int, tally: Tally) -> None:
    """Sends requests to a page of the run in `shared/`.

    Args:
        work_dir: folder with `shared/`.
        count: number of requests.
        seed: seed of the choice.
        tally: receives the results.
    """
    words = [
        "tf_inpaint.paint",
        "--run_dir=run",
        f"--port={free_port()}",
        "--steps=10",
        "--samples=0",
    ]
    page = Page(words, work_dir / "shared", work_dir / "page.log")
    try:
        page.new_log_lines()
        tries = [(kind, *item) for kind, make in KINDS.items() for item in make(page)]
        random.Random(seed).shuffle(tries)
        for kind, name, send in tries[:count]:
            try:
                answer = send()
            except Exception as error:  # An answer that no browser can read is a fault too.
                answer = 500, json.dumps({"error": repr(error)}).encode()
            time.sleep(0.02)  # The page writes to its log after it answered.
            faults = faults_of(answer, page.new_log_lines())
            tally.add(
                f"hostile requests: forged {kind}", f"{processes.text(words)}: {name}", faults
            )
        for name, faults in checks_afterwards(page):
            tally.add("hostile requests: the page afterwards", name, faults)
    finally:
        page.close()


def checks_afterwards(page: Page):
    """Yields the name of a check of the page after all requests, and what is wrong."""
    statuses = page.gallery()[1]
    yield "the gallery", [] if set(statuses) == {200} else [f"statuses {statuses}"]
    yield "25 visitors who never read their answers", check_queue(page)
    yield "a normal request", faults_of(page.fill(), page.new_log_lines())


def faults_of(answer, lines):
    """What is wrong with an answer and the lines of the log."""
    status, body = answer
    faults = []
    if status >= 500:
        try:
            content = json.loads(body)
            sentence = content.get("error") or content.get("detail")
        except ValueError:
            sentence = None
        if not isinstance(sentence, str) or not sentence.endswith("."):
            faults.append(f"{status} without a sentence: {body[:100]!r}")
        elif len(sentence) > 2000:
            faults.append(f"{status} with a sentence of {len(sentence)} characters")
    if len(lines) > 1:
        faults.append(f"{len(lines)} lines in the log: {lines[0][:100]!r} ... {lines[-1][:200]!r}")
    if any(len(line) > MAX_LINE for line in lines):
        faults.append(f"a line of {max(map(len, lines))} characters: {lines[0][:100]!r}")
    return faults


def check_queue(page, count=25):
    """Joins the queue without ever reading an answer. Returns what is wrong afterwards."""
    _, body = page.event(page.functions["input"]["id"], [None, "middle"])
    names = {part["props"].get("label"): index for index, part in enumerate(page.inputs("click"))}
    data = [json.loads(body)["data"][0]["layer"], *page.defaults("click")[1:]]
    data[names["Steps"]], data[names["Restarts"]] = 300, 4
    for _ in range(count):
        page.join(page.functions["click"]["id"], data, session=uuid.uuid4().hex)
    if (answer := page.fill())[0] != 503:
        return [f"the queue was not full: {answer[1][:200]!r}"]
    deadline = time.monotonic() + 20
    while (answer := page.fill())[0] != 200 and time.monotonic() < deadline:
        time.sleep(1)
    return [] if answer[0] == 200 else [f"after {count} absent visitors: {answer[1][:200]!r}"]
