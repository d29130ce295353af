"""Our streams compared with reactivex, which defines what an operator means.

timelines      sources: which event comes when, on both sides
functions      the functions given to map, filter and their like
table          each operator: ours, theirs, and its arguments
programs       random chains and trees of operators
running        runs a program in virtual time, ours and theirs, and compares the outcomes
differences    where ours differs on purpose, with the reason
"""
