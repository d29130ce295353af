"""Small patches that break evenflow on purpose, one for each guarantee and each rule that is easily lost.

A patch is a file `NAME.patch` here: comments that say what it breaks, the tests that must fail, then the diff.

    # Guarantee 4: a cancelled receive loses the event it was handed.
    # kills: tests/contract/test_04_cancelling_loses_nothing.py::test_a_cancel_in_the_tick_of_a_delivery
    --- a/src/evenflow/_subscription.py
    +++ b/src/evenflow/_subscription.py
    @@ ...

`make mutants` applies each to a copy of `src` and runs the tests it names: every one of them must fail.
It fails if a mutant survives, if a patch does not apply any more, or if the tests do not pass without it.
`make mutants MUTANTS="order gap"` looks at those whose name contains one of the words.
`tests/test_mutants.py` sees in every run of the suite that the patches still apply.
"""
