"""The configuration reader: from YAML to a plan, in a child process of the master.

document   text -> plain values with positions      models     what may be written
problems   everything wrong, with codes              scopes     defaults < upstream < route
matches, upstreams, policies                          a feature each, checked and lowered
build      documents -> PlanModel                     compile    the child; child: its parent
"""
