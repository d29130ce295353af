"""Our streams against reactivex, which says what an operator means.

timelines      sources: what comes when, on both sides
functions      what is given to map, filter and their like
table          each operator: ours, theirs, and the arguments
programs       random chains and trees of operators
running        a program in virtual time, ours and theirs, and what came of it
differences    where ours differs on purpose, with the reason
"""
