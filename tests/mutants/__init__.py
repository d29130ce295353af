"""Faulty parts that break evenflow on purpose, for each guarantee and for each rule that is easily lost.

A mutant is a function that gets a part of evenflow and returns a faulty one in its place:

    @mutant(
        "evenflow._mailbox:Mailbox.items",
        breaks="guarantee 8",
        kills=["tests/contract/test_08_the_end_reaches_everyone.py::test_close_wakes_readers_that_wait"],
    )
    def readers_hang(items):
        \"\"\"Readers that wait are not woken by the end.\"\"\"
        return lambda self: items(self) if self.end is None else len(self.buffer)

It names parts that belong to the design, so that it outlives a refactoring: a method, a class, or an attribute.

`make mutants` runs, with one mutant at a time, the tests that it names: every one of them must fail.
It fails if a mutant survives, if there is nothing left to replace, or if the tests do not pass without it.
`make mutants MUTANTS="order gap"` looks at those whose name contains one of the words.
`python -m pytest -p tests.mutants.plugin --mutant NAME ...` runs any tests with one of them.
`tests/test_mutants.py` holds in every run of the suite that each mutant can still be applied.
There are at most 60, one to four for a guarantee: breaking every line is a tool's job (`make mutants-all`).
The log has promises of its own, which other tests guard: one or two more for each of its eleven (`log.py`).
"""
