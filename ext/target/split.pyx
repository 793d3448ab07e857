"""The target that divides requests; see split.pxd."""

cimport cython
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.exchange.contract cimport (
    MODE_STREAM, MODE_WHOLE, RETRY_NEVER, RETRY_SAFE, Attempt,
)
from fastgw.ext.policy.template cimport RENDER_DONE
from fastgw.ext.route.hashes cimport hash_bytes


def steps(weights: list[int]) -> list[int]:
    """How many of the 10,000 steps each weight gets: as its share says, remainders to the
    largest ones, but no part that has a weight is rounded to nothing."""
    total = sum(weights)
    shares = [max(w * STEPS // total, 1 if w else 0) for w in weights]
    rest = sorted(range(len(weights)), key=lambda i: (-(weights[i] * STEPS % total), i))
    for i in range(STEPS - sum(shares)):
        shares[rest[i % len(rest)]] += 1
    while sum(shares) > STEPS:
        shares[max(range(len(shares)), key=shares.__getitem__)] -= 1
    return shares


@cython.final
cdef class SplitTarget(Target):
    """Options: {"key": template, "parts": [{"object": Target, "weight": number}, ...]};
    ValueError says what is wrong with them."""

    def __init__(self, str name, dict options):
        cdef bytes raw = name.encode()
        weights = [part["weight"] for part in options["parts"]]
        if not 1 <= len(weights) <= MAX_PARTS:
            raise ValueError(f"split '{name}' has {len(weights)} parts, not 1 to {MAX_PARTS}")
        if min(weights) < 0 or sum(weights) == 0:
            raise ValueError(f"split '{name}': weights are not below 0, and one is above it")
        self.name = name
        self.key = Template(options["key"])
        self.seed = hash_bytes(0, <const char*>raw, len(raw))
        self.parts = [<Target?>part["object"] for part in options["parts"]]
        self.n = len(weights)
        self.take_steps(weights)
        self.take_rules()

    def take_steps(self, weights: list[int]) -> None:
        """Lay the parts' steps one behind the other."""
        cdef uint32_t i
        end = 0
        for i, share in enumerate(steps(weights)):
            end += share
            self.ends[i] = end

    def take_rules(self) -> None:
        """What holds for every part: the most that one of them wants."""
        cdef Target part
        self.body_mode, self.retry_rule = MODE_STREAM, RETRY_NEVER
        for part in self.parts:
            self.max_tries = max(self.max_tries, part.max_tries)
            if part.retry_rule == RETRY_SAFE:
                self.retry_rule = RETRY_SAFE
            if part.body_mode == MODE_WHOLE:
                self.body_limit = (
                    min(self.body_limit, part.body_limit)
                    if self.body_mode == MODE_WHOLE else part.body_limit
                )
                self.body_mode = MODE_WHOLE

    def endpoints(self) -> list:
        """Those of the parts are theirs."""
        return []

    cdef bint available(self, Exchange x) noexcept:
        """Whether some part is."""
        cdef Target part
        for part in self.parts:
            if part.available(x):
                return True
        return False

    cdef Attempt open(self, Exchange x):
        """An attempt of the part that the key belongs to."""
        return self.choose(x).open(x)

    cdef uint64_t hash(self, Exchange x) noexcept:
        """The hash of a request's key; of its id, which is random, when it has none."""
        cdef Span key
        if self.key.render(x, &key) != RENDER_DONE or key.n == 0:
            key = span(x.request_id, x.request_id_n)
        return hash_bytes(self.seed, key.p, key.n)

    cdef Target choose(self, Exchange x):
        """The key's part, or another one while nothing of it is available."""
        cdef uint64_t h = self.hash(x)
        cdef uint32_t step = <uint32_t>((h >> 32) * STEPS >> 32)
        cdef uint32_t i = 0
        cdef Target part
        while step >= self.ends[i]:
            i += 1
        part = <Target>self.parts[i]
        return part if part.available(x) else self.choose_other(x, h, i)

    cdef Target choose_other(self, Exchange x, uint64_t h, uint32_t unavailable):
        """The part that a key falls to among those that are available, by their steps; the
        key's own when none is."""
        cdef uint32_t i, total = 0, start, step
        cdef uint32_t shares[MAX_PARTS]
        for i in range(self.n):
            start = self.ends[i - 1] if i else 0
            shares[i] = 0
            if i != unavailable and (<Target>self.parts[i]).available(x):
                shares[i] = self.ends[i] - start
            total += shares[i]
        if total == 0:
            return <Target>self.parts[unavailable]
        h = hash_bytes(h, b"other", 5)
        step = <uint32_t>((h >> 32) * total >> 32)
        for i in range(self.n):
            if step < shares[i]:
                break
            step -= shares[i]
        return <Target>self.parts[i]
