/* load: the load generator of the benchmarks. HTTP/1.1, one thread, one epoll set.
 *
 *     load PORT CONNECTIONS SECONDS WARMUP RATE CLOSE REQUEST_FILE BODY_FILE
 *
 * RATE 0: closed loop, each connection sends again as soon as it was answered. Otherwise open
 * loop: request k is due at begin + k/RATE whatever happened before, and its latency counts
 * from when it was due, also if it had to wait for a free connection (corrected for
 * coordinated omission). CLOSE 1: a new connection per request; the request is done once the
 * peer has closed.
 *
 * All connections are opened and used for WARMUP seconds; then everything in flight is waited
 * for, "ready" is printed and a line is awaited on stdin. So whoever drives this can read the
 * gateway's CPU time while it is idle, and the time between two readings belongs to exactly
 * the requests that are counted. The same at the end: the result (one line of JSON) is
 * printed once nothing is in flight.
 *
 * Every answer is checked: status 200, Content-Length and each byte of the body.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 8192, EVENTS = 512, SUB = 128, BUCKETS = 48 * SUB };
enum state { CLOSED, CONNECTING, FREE, HEAD, BODY, ENDING };
static const uint64_t SECOND = 1000000000ull, TIMEOUT = 10 * 1000000000ull;

struct conn {
    int fd;
    enum state state;
    int again;                  /* the peer closes after this answer: reconnect */
    uint64_t since;             /* when the request was due, ns */
    uint64_t sent_at;           /* when it was sent, ns: for the timeout */
    size_t sent;                /* bytes of the request that went out */
    size_t have;                /* bytes in `in` */
    size_t body;                /* bytes of the body that were checked */
    struct conn *next;          /* list of the free */
    char in[ROOM];
};

static struct conn *conns;
static int count, closing, ep, timer;
static double rate;
static struct sockaddr_in target;
static char *request, *expected;
static size_t request_n, expected_n;
static struct conn *free_first, *free_last;
static uint64_t begin_ns, end_ns, last_ns;      /* of the phase */
static uint64_t issued, flying;                 /* requests begun; under way */
static int stopping;                            /* no new requests */
static struct { uint64_t done, connect, status, body, reset, timeout, reopened; } n;
static uint64_t histogram[BUCKETS], worst;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static char *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f) { perror(path); exit(1); }
    char *p = malloc(1 << 20);
    *size = fread(p, 1, 1 << 20, f);
    fclose(f);
    return p;
}

/* Log-linear: SUB buckets for each power of two, below 0.8 % of error. */
static size_t bucket(uint64_t v)
{
    if (v < SUB) return v;
    int shift = 63 - __builtin_clzll(v) - 6;
    size_t i = (size_t)shift * (SUB / 2) + (v >> shift);
    return i < BUCKETS ? i : BUCKETS - 1;
}

static uint64_t bucket_value(size_t i)
{
    if (i < SUB) return i;
    size_t shift = i / (SUB / 2) - 1;
    return (uint64_t)(i - shift * (SUB / 2)) << shift;
}

static uint64_t percentile(double p)
{
    uint64_t want = (uint64_t)(p * (double)n.done + 0.5), seen = 0;
    if (want == 0) want = 1;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen >= want) return bucket_value(i);
    }
    return worst;
}

static void issue(struct conn *c, uint64_t due);
static void issue_due(uint64_t t);

static void open_conn(struct conn *c)
{
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) { perror("socket"); exit(1); }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    c->state = CONNECTING;
    c->have = c->body = 0;
    c->again = 0;
    if (connect(c->fd, (void *)&target, sizeof target) && errno != EINPROGRESS) {
        close(c->fd);
        c->fd = -1;
        c->state = CLOSED;
        n.connect++;
        return;
    }
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}

static void put_free(struct conn *c)
{
    c->state = FREE;
    c->next = NULL;
    if (free_last) free_last->next = c; else free_first = c;
    free_last = c;
}

static struct conn *take_free(void)
{
    struct conn *c = free_first;
    if (c) {
        free_first = c->next;
        if (!free_first) free_last = NULL;
    }
    return c;
}

static void remove_free(struct conn *c)
{
    struct conn **at = &free_first, *prev = NULL;
    for (; *at; prev = *at, at = &(*at)->next) {
        if (*at != c) continue;
        *at = c->next;
        if (free_last == c) free_last = prev;
        return;
    }
}

/* The connection can take a request now. */
static void ready(struct conn *c)
{
    if (stopping) put_free(c);
    else if (rate > 0) { put_free(c); issue_due(now()); }
    else issue(c, now());
}

/* Close, and open again unless the phase is ending. */
static void reopen(struct conn *c)
{
    close(c->fd);
    c->fd = -1;
    open_conn(c);
}

static void fail(struct conn *c, uint64_t *kind)
{
    if (c->state == FREE) {             /* closed while idle: no request was lost */
        remove_free(c);
        n.reopened++;
    } else {
        if (c->state != CONNECTING) flying--;
        ++*kind;
    }
    close(c->fd);
    c->fd = -1;
    c->state = CLOSED;                  /* opened again by the clock, not in a hot loop */
}

static void finish(struct conn *c)
{
    uint64_t t = now(), took = t - c->since;
    last_ns = t;
    flying--;
    n.done++;
    histogram[bucket(took)]++;
    if (took > worst) worst = took;
    c->have = c->body = 0;
    if (closing || c->again) {
        if (!closing) n.reopened++;
        reopen(c);
    } else ready(c);
}

static void push(struct conn *c)
{
    while (c->sent < request_n) {
        ssize_t r = send(c->fd, request + c->sent, request_n - c->sent, MSG_NOSIGNAL);
        if (r > 0) c->sent += (size_t)r;
        else if (r < 0 && errno == EAGAIN) return;
        else { fail(c, &n.reset); return; }
    }
}

static void issue(struct conn *c, uint64_t due)
{
    c->state = HEAD;
    c->since = due;
    c->sent_at = due > last_ns ? due : last_ns;
    c->sent = c->have = c->body = 0;
    issued++;
    flying++;
    push(c);
}

/* Open loop: begin all that are due, as far as connections are free. */
static void issue_due(uint64_t t)
{
    for (;;) {
        uint64_t due = begin_ns + (uint64_t)((double)issued * 1e9 / rate);
        if (due > t || due >= end_ns) return;
        struct conn *c = take_free();
        if (!c) return;
        issue(c, due);
        c->sent_at = t;
    }
}

/* The answer's head is in `in`: check it. Length of the head, or 0 when it is wrong. */
static size_t check_head(struct conn *c, char *stop)
{
    char *p = c->in;
    size_t head = (size_t)(stop + 4 - c->in);
    long length = -1;
    if (head < 16 || memcmp(p, "HTTP/1.1 200", 12)) { fail(c, &n.status); return 0; }
    while ((p = memchr(p, '\n', (size_t)(stop + 2 - p))) != NULL && p < stop) {
        p++;
        if (*p != 'c' && *p != 'C') continue;
        if (!strncasecmp(p, "content-length:", 15)) length = atol(p + 15);
        else if (!strncasecmp(p, "connection: close", 17)) c->again = 1;
    }
    if (length < 0 || (size_t)length != expected_n) { fail(c, &n.body); return 0; }
    return head;
}

/* Take what was received; 0 = the connection is gone or began anew. */
static int take(struct conn *c)
{
    size_t off = 0, m;
    if (c->state == HEAD) {
        char *stop = memmem(c->in, c->have, "\r\n\r\n", 4);
        if (!stop) {
            if (c->have == ROOM) { fail(c, &n.status); return 0; }
            return 1;
        }
        if (!(off = check_head(c, stop))) return 0;
        c->state = BODY;
    }
    m = c->have - off;
    if (c->state != BODY || m > expected_n - c->body
        || memcmp(expected + c->body, c->in + off, m)) {
        fail(c, &n.body);
        return 0;
    }
    c->body += m;
    c->have = 0;
    if (c->body < expected_n) return 1;
    if (closing) { c->state = ENDING; return 1; }
    finish(c);
    return 0;
}

static void readable(struct conn *c, int ending)
{
    for (;;) {
        ssize_t r = recv(c->fd, c->in + c->have, ROOM - c->have, 0);
        if (r > 0) {
            int full = (size_t)r == ROOM - c->have;
            if (c->state == FREE) { fail(c, &n.body); return; }
            c->have += (size_t)r;
            if (!take(c)) return;
            if (!full && !ending) return;
        } else if (r < 0 && errno == EAGAIN) {
            return;
        } else if (r == 0 && c->state == ENDING) {
            finish(c);
            return;
        } else {
            fail(c, &n.reset);
            return;
        }
    }
}

static void on_event(struct conn *c, uint32_t events)
{
    if (c->fd < 0) return;
    if (c->state == CONNECTING) {
        int e = 0;
        socklen_t l = sizeof e;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &l);
        if (e) { fail(c, &n.connect); return; }
        if (!(events & EPOLLOUT)) return;
        ready(c);
        return;
    }
    if (c->state == HEAD && c->sent < request_n && events & EPOLLOUT) push(c);
    if (c->fd >= 0 && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        readable(c, closing || events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
}

/* Once in 10 ms: requests that never came back, connections to open again. */
static void tidy(uint64_t t)
{
    for (int i = 0; i < count; i++) {
        struct conn *c = &conns[i];
        if (c->state == CLOSED) open_conn(c);
        else if (c->state >= HEAD && t > c->sent_at + TIMEOUT) fail(c, &n.timeout);
    }
}

/* Run for `seconds`, then until nothing is in flight. */
static void run(double seconds)
{
    struct epoll_event got[EVENTS];
    uint64_t t = now(), tidied = t;
    begin_ns = t;
    last_ns = t;
    end_ns = t + (uint64_t)(seconds * 1e9);
    issued = 0;
    stopping = 0;
    if (rate > 0) {
        long every = (long)(1e9 / rate);
        struct itimerspec s = {{every / 1000000000, every % 1000000000}, {0, 1}};
        timerfd_settime(timer, 0, &s, NULL);
    } else {
        for (struct conn *c = take_free(); c; c = take_free()) issue(c, now());
    }
    for (;;) {
        int k = epoll_wait(ep, got, EVENTS, 10);
        t = now();
        if (t >= end_ns && (rate <= 0 || begin_ns + (uint64_t)((double)issued * 1e9 / rate)
                            >= end_ns || t >= end_ns + TIMEOUT)) stopping = 1;
        for (int i = 0; i < k; i++) {
            if (got[i].data.ptr) {
                on_event(got[i].data.ptr, got[i].events);
            } else {
                uint64_t ticks;
                if (read(timer, &ticks, sizeof ticks) > 0 && !stopping) issue_due(t);
            }
        }
        if (t > tidied + SECOND / 100) { tidied = t; tidy(t); }
        if (stopping && (flying == 0 || t > end_ns + TIMEOUT + SECOND)) break;
    }
    if (rate > 0) {
        struct itimerspec off = {{0, 0}, {0, 0}};
        timerfd_settime(timer, 0, &off, NULL);
    }
}

static void report(void)
{
    uint64_t errors = n.connect + n.status + n.body + n.reset + n.timeout;
    double sum = 0;
    for (size_t i = 0; i < BUCKETS; i++) sum += (double)histogram[i] * (double)bucket_value(i);
    printf("{\"requests\": %lu, \"seconds\": %.6f, \"errors\": %lu, \"connect_errors\": %lu, "
           "\"status_errors\": %lu, \"body_errors\": %lu, \"resets\": %lu, \"timeouts\": %lu, "
           "\"reopened\": %lu, \"mean_us\": %.1f, ",
           n.done, (double)(last_ns - begin_ns) / 1e9, errors, n.connect, n.status, n.body,
           n.reset, n.timeout, n.reopened, n.done ? sum / (double)n.done / 1e3 : 0.0);
    printf("\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, "
           "\"max_us\": %.1f}\n",
           (double)percentile(0.5) / 1e3, (double)percentile(0.9) / 1e3,
           (double)percentile(0.99) / 1e3, (double)percentile(0.999) / 1e3, (double)worst / 1e3);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 9) {
        fprintf(stderr, "usage: load PORT CONNECTIONS SECONDS WARMUP RATE CLOSE REQUEST BODY\n");
        return 2;
    }
    struct rlimit lim;
    getrlimit(RLIMIT_NOFILE, &lim);
    lim.rlim_cur = lim.rlim_max;
    setrlimit(RLIMIT_NOFILE, &lim);
    signal(SIGPIPE, SIG_IGN);
    target.sin_family = AF_INET;
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    target.sin_port = htons((uint16_t)atoi(argv[1]));
    count = atoi(argv[2]);
    rate = atof(argv[5]);
    closing = atoi(argv[6]);
    request = slurp(argv[7], &request_n);
    expected = slurp(argv[8], &expected_n);
    ep = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(ep, EPOLL_CTL_ADD, timer, &e);
    conns = calloc((size_t)count, sizeof *conns);
    begin_ns = last_ns = now();
    stopping = 1;                       /* connect first, send once run() says so */
    for (int i = 0; i < count; i++) open_conn(&conns[i]);
    run(atof(argv[4]));
    char line[16];
    printf("ready\n");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) return 1;
    memset(&n, 0, sizeof n);
    memset(histogram, 0, sizeof histogram);
    worst = 0;
    run(atof(argv[3]));
    report();
    return 0;
}
