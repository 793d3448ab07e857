"""Cases of routing, one a line: from the Gateway API's HTTPRoute rules, from RFC 3986 and from
routers in the manner of httprouter.

A group is a map of routes, name -> match, and lines
`[METHOD] host/path [field: value]... -> route`. Matches are written as `host/path`, with `/*`
for a prefix, `~` before a regular expression, and `[METHOD,...]`, `{header=value}`,
`{?query=value}`, `{cookie:name=value}`, `@priority` behind it.
"""

from __future__ import annotations

#: (group, routes, lines)
GROUPS: list[tuple[str, str, str]] = [
    (
        "hosts",
        """
        exact = api.example.com/*
        wild = *.example.com/*
        deep = *.eu.example.com/*
        any = /*
        """,
        """
        api.example.com/ -> exact
        www.example.com/ -> wild
        a.b.example.com/ -> wild
        a.eu.example.com/ -> deep
        a.b.eu.example.com/ -> deep
        eu.example.com/ -> wild
        example.com/ -> any
        example.org/ -> any
        notexample.com/ -> any
        xapi.example.com/ -> wild
        api.example.com.evil.org/ -> any
        com/ -> any
        192.0.2.1/ -> any
        """,
    ),
    (
        "host without a default",
        """
        exact = api.example.com/a/*
        wild = *.example.com/b/*
        """,
        """
        api.example.com/a -> exact
        api.example.com/b -> wild
        api.example.com/c -> 404
        www.example.com/a -> 404
        www.example.com/b/c -> wild
        example.org/a -> 404
        example.com/b -> 404
        """,
    ),
    (
        "prefixes end at segments",
        """
        root = /*
        foo = /foo/*
        foobar = /foo/bar/*
        """,
        """
        h/ -> root
        h/foo -> foo
        h/foo/ -> foo
        h/foo/x -> foo
        h/foobar -> root
        h/foo/bar -> foobar
        h/foo/bar/ -> foobar
        h/foo/bar/baz -> foobar
        h/foo/barbaz -> foo
        h/fo -> root
        h/Foo -> root
        h/x/foo -> root
        h//foo -> root
        h/foo//bar -> foo
        """,
    ),
    (
        "exact before prefix",
        """
        exact = /foo
        slash = /foo/
        prefix = /foo/*
        """,
        """
        h/foo -> exact
        h/foo/ -> slash
        h/foo/x -> prefix
        h/foo?x=1 -> exact
        h/foo/?x=1 -> slash
        h/foo// -> prefix
        h/fo -> 404
        h/foo2 -> 404
        h/ -> 404
        """,
    ),
    (
        "parameters",
        """
        new = /u/new
        one = /u/{id}
        posts = /u/{id}/posts
        post = /u/{id}/posts/{post}
        """,
        """
        h/u/new -> new
        h/u/newer -> one
        h/u/7 -> one
        h/u/%7E -> one
        h/u/a%20b -> one
        h/u/ -> 404
        h/u -> 404
        h/u/7/ -> 404
        h/u/7/posts -> posts
        h/u/new/posts -> posts
        h/u/7/posts/ -> 404
        h/u/7/posts/9 -> post
        h/u/new/posts/new -> post
        h/u//posts -> 404
        h/u/7/x -> 404
        h/u/7/posts/9/x -> 404
        """,
    ),
    (
        "backtracking",
        """
        deep = /a/b/c
        x = /a/{x}/d
        y = /{y}/b/e
        z = /{y}/{z}/f
        rest = /a/*
        """,
        """
        h/a/b/c -> deep
        h/a/b/d -> x
        h/a/b/e -> rest
        h/a/b/f -> rest
        h/q/b/e -> y
        h/q/b/f -> z
        h/q/b/c -> 404
        h/q/r/f -> z
        h/a -> rest
        h/a/ -> rest
        h/a/z/d -> x
        h/a//d -> rest
        h/b/b/e -> y
        """,
    ),
    (
        "rest",
        """
        files = /files/{path...}
        index = /files/index
        list = /files
        user = /u/{id}/{rest...}
        """,
        """
        h/files -> list
        h/files/ -> files
        h/files/a -> files
        h/files/a/b/c -> files
        h/files/index -> index
        h/files/index/ -> files
        h/filesx -> 404
        h/u/7/ -> user
        h/u/7/a/b -> user
        h/u/7 -> 404
        h/u//a -> 404
        h/u/ -> 404
        """,
    ),
    (
        "regexes",
        """
        any = /*
        version = ~/v[0-9]+
        v1 = /v1
        v = /{v}/x
        item = ~/items/[a-z]{2,3}
        items = /items/*
        alternative = ~/(red|blue)/fish
        """,
        """
        h/v1 -> v1
        h/v2 -> version
        h/v22 -> version
        h/v -> any
        h/v2/ -> any
        h/v2/x -> v
        h/xv2 -> any
        h/items/ab -> item
        h/items/abc -> item
        h/items/abcd -> items
        h/items/a -> items
        h/items/x -> items
        h/items -> items
        h/red/fish -> alternative
        h/green/fish -> any
        h/blue/x -> v
        """,
    ),
    (
        "methods",
        """
        get = /a [GET]
        post = /a [POST]
        any = /b
        put = /b [PUT]
        head = /c [HEAD]
        got = /c [GET]
        below = /a/* [DELETE]
        """,
        """
        GET h/a -> get
        HEAD h/a -> get
        POST h/a -> post
        PUT h/a -> 405
        OPTIONS h/a -> 405
        DELETE h/a -> below
        DELETE h/a/b -> below
        GET h/a/b -> 405
        GET h/b -> any
        PUT h/b -> put
        OPTIONS h/b -> any
        TRACE h/b -> any
        OTHER h/b -> any
        HEAD h/c -> head
        GET h/c -> got
        POST h/c -> 405
        GET h/d -> 404
        OTHER h/a -> 405
        """,
    ),
    (
        "headers",
        """
        plain = /a
        present = /a {x}
        one = /a {x=1}@1
        both = /a {x=1}{y=1}
        regex = /a {accept~.*json.*}@2
        get = /a [GET]{x=1}{y=1}
        """,
        """
        POST h/a -> plain
        POST h/a x: 0 -> present
        POST h/a x: 1 -> one
        POST h/a X: 1 -> one
        POST h/a x: 1 y: 1 -> both
        POST h/a y: 1 -> plain
        POST h/a x: 1 y: 2 -> one
        POST h/a x: 2 x: 1 -> one
        POST h/a accept: application/json -> regex
        POST h/a accept: text/html -> plain
        POST h/a accept: json x: 1 -> regex
        POST h/a x: -> present
        GET h/a x: 1 y: 1 -> get
        GET h/a x: 1 -> one
        HEAD h/a x: 1 y: 1 -> get
        """,
    ),
    (
        "nothing fits but for headers",
        """
        beta = /a [GET]{x=beta}
        other = /a [POST]{x=beta}
        """,
        """
        GET h/a x: beta -> beta
        POST h/a x: beta -> other
        PUT h/a x: beta -> 405
        GET h/a -> 404
        PUT h/a -> 404
        GET h/a x: Beta -> 404
        """,
    ),
    (
        "query",
        """
        plain = /a
        present = /a {?q}
        exact = /a {?q=x y}@1
        regex = /a {?n~[0-9]+}@2
        coded = /a {?k&=v}@3
        """,
        """
        h/a -> plain
        h/a? -> plain
        h/a?q -> present
        h/a?q= -> present
        h/a?q=1 -> present
        h/a?Q=1 -> plain
        h/a?xq=1 -> plain
        h/a?q=x%20y -> exact
        h/a?q=x+y -> exact
        h/a?q=z&q=x+y -> exact
        h/a?%71=x+y -> exact
        h/a?q=x+y%20 -> present
        h/a?n=12 -> regex
        h/a?n=1x -> plain
        h/a?n=%31%32 -> regex
        h/a?n= -> plain
        h/a?k%26=v -> coded
        h/a?k&=v -> plain
        h/a?&&q -> present
        h/a?q=%zz -> present
        """,
    ),
    (
        "cookies",
        """
        plain = /a
        canary = /a {cookie:canary=1}
        session = /a {cookie:session}@1
        """,
        """
        h/a -> plain
        h/a cookie: canary=1 -> canary
        h/a cookie: canary=10 -> plain
        h/a cookie: a=b; canary=1 -> canary
        h/a cookie: a=b;canary=1;c=d -> canary
        h/a cookie: a=b cookie: canary=1 -> canary
        h/a cookie: Canary=1 -> plain
        h/a cookie: xcanary=1 -> plain
        h/a cookie: session=x; canary=1 -> session
        h/a cookie: session= -> session
        """,
    ),
    (
        "priority",
        """
        low = /a {x}@-1
        high = /a {y}@5
        middle = /a {z}
        more = /a {x}{z}
        longer = /a/b
        any = /*
        """,
        """
        h/a x: 1 -> low
        h/a x: 1 y: 1 -> high
        h/a y: 1 z: 1 -> high
        h/a z: 1 -> middle
        h/a x: 1 z: 1 -> more
        h/a x: 1 y: 1 z: 1 -> more
        h/a/b x: 1 y: 1 -> longer
        h/a -> any
        """,
    ),
    (
        "hosts before paths, paths before matchers",
        """
        host = a.test/*
        path = *.test/x/y
        wild = *.test/x/* {x}
        default = /x/y [GET]
        """,
        """
        GET a.test/x/y -> host
        GET b.test/x/y -> path
        GET b.test/x/y x: 1 -> path
        GET b.test/x/z x: 1 -> wild
        GET b.test/x/z -> 404
        GET c.org/x/y -> default
        POST c.org/x/y -> 405
        POST b.test/x/y -> path
        """,
    ),
    (
        "the same shape in several hosts",
        """
        a = a.test/u/{id}
        b = b.test/u/{id}
        star = *.test/u/{id}/x
        all = /u/{id}/{y}
        """,
        """
        a.test/u/1 -> a
        b.test/u/1 -> b
        c.test/u/1 -> 404
        a.test/u/1/x -> star
        a.test/u/1/y -> all
        c.org/u/1/x -> all
        c.org/u/1/ -> 404
        """,
    ),
    (
        "paths of RFC 3986",
        """
        tilde = /~user
        comma = /a,b;c=d
        colon = /a:b@c
        sub = /!$&'()*+
        escaped = /a%20b
        slash = /a%2Fb
        split = /a/b
        percent = /100%25
        empty = //x
        """,
        """
        h/~user -> tilde
        h/a,b;c=d -> comma
        h/a:b@c -> colon
        h/!$&'()*+ -> sub
        h/a%20b -> escaped
        h/a%2Fb -> slash
        h/a/b -> split
        h/100%25 -> percent
        h//x -> empty
        h/x -> 404
        h/a%20c -> 404
        """,
    ),
    (
        "everything of one host",
        """
        all = a.test/*
        """,
        """
        OPTIONS a.test/ -> all
        a.test/%00 -> all
        a.test// -> all
        b.test/ -> 404
        """,
    ),
]
