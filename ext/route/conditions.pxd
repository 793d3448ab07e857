"""Conditions: what a candidate asks of a request besides host, path and method.

Any of several values of a header, parameter or cookie may fit. Names of headers ignore case;
those of parameters and cookies don't. Names and values of parameters are compared decoded
(`%41` is `A`, `+` is a space); one that takes more than 8 KiB decoded fits no pattern.
"""

from fastgw.ext.http.head cimport RequestHead
from fastgw.ext.io.stream cimport Facts
from fastgw.ext.route.matcher cimport Matcher
from fastgw.ext.route.plan cimport ExtraRow


cdef bint tests_fit(
    const Matcher* m, const ExtraRow* extra, const RequestHead* head, const Facts* facts
) noexcept nogil
