"""The command line: one module a verb.

Exit codes, the same for every verb: 0 done, 1 failed, 2 the configuration or the command
line is wrong.
"""
