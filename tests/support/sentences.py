"""What an error message must be."""


def assert_one_sentence(error, words):
    """One line with three parts: what is required; what was received; what to do."""
    message = str(error)
    assert "\n" not in message and message.count("; ") >= 2 and "received" in message
    assert message.endswith((".", "?"))
    for word in words:
        assert word in message
