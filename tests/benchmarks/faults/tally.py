"""The table of all tries, and the list of those that did not end as wanted."""

from collections import Counter


class Tally:
    """Counts tries by their kind."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.failures: list[str] = []
        self.skipped: dict[str, str] = {}

    def add(self, kind: str, line: str, faults: list[str], count: int = 1) -> None:
        """Counts a try.

        Args:
            kind: the row of the table.
            line: what was done, so that it can be repeated.
            faults: what was wrong.
            count: number of tries that this stands for.
        """
        self.tried[kind] += count
        if faults:
            self.failed[kind] += count
            more = [f"and {len(faults) - 5} more"] if len(faults) > 5 else []
            self.failures.append(f"{kind}: {line}\n    {'; '.join(faults[:5] + more)}")
            print(f"not as wanted: {self.failures[-1]}", flush=True)

    def skip(self, kind: str, reason: str) -> None:
        """Notes why a kind was not tried."""
        self.skipped[kind] = reason

    def table(self) -> str:
        """The table in Markdown."""
        lines = ["| kind | tried | as wanted |", "|---|---|---|"]
        for kind, tried in self.tried.items():
            lines.append(f"| {kind} | {tried} | {tried - self.failed[kind]} |")
        lines += [f"| {kind} | 0, for {reason} | |" for kind, reason in self.skipped.items()]
        return "\n".join(lines)
