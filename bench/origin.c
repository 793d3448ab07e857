/* origin: the upstream of every benchmark, made to cost as little as it can.
 *
 *     origin BODY_FILE          prints "port N", then answers until it is killed
 *
 * One thread, one epoll set, edge-triggered. Every request is answered 200 with the bytes of
 * BODY_FILE. Heads end at CRLF CRLF; a request body is skipped by its Content-Length; chunked
 * request bodies are not understood (the connection is closed), because no load sends them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 16384, EVENTS = 512, MOST_AT_ONCE = 64 };

struct conn {
    int fd;
    size_t have;                /* bytes of `in` that are not answered yet */
    size_t skip;                /* bytes of a request body still to come */
    char in[ROOM];
};

static char *answer;            /* MOST_AT_ONCE answers in a row */
static size_t answer_n;         /* length of one */

static void die(const char *what) { perror(what); exit(1); }

/* The whole answer, built once. */
static void load_answer(const char *path)
{
    FILE *f = fopen(path, "rb");
    static char body[1 << 20];
    if (!f) die(path);
    size_t n = fread(body, 1, sizeof body, f);
    fclose(f);
    char head[256];
    int h = snprintf(head, sizeof head,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", n);
    answer_n = (size_t)h + n;
    answer = malloc(answer_n * MOST_AT_ONCE);
    if (!answer) die("malloc");
    for (int i = 0; i < MOST_AT_ONCE; i++) {
        memcpy(answer + i * answer_n, head, (size_t)h);
        memcpy(answer + i * answer_n + h, body, n);
    }
}

/* Content-Length of a head, 0 when there is none, -1 when its length can't be known. */
static long body_length(const char *p, const char *end)
{
    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        p++;
        if (end - p > 15 && !strncasecmp(p, "content-length:", 15)) return atol(p + 15);
        if (end - p > 18 && !strncasecmp(p, "transfer-encoding:", 18)) return -1;
    }
    return 0;
}

static void drop(struct conn *c) { close(c->fd); free(c); }

/* Answer `count` requests. What the socket does not take is waited for: answers are far
   smaller than a socket's buffer, so this is not met under any of the loads. */
static int send_answers(int fd, int count)
{
    size_t n = answer_n * (size_t)count, done = 0;
    while (done < n) {
        ssize_t r = send(fd, answer + done, n - done, MSG_NOSIGNAL);
        if (r > 0) done += (size_t)r;
        else if (r < 0 && errno == EAGAIN) usleep(100);
        else return -1;
    }
    return 0;
}

/* Take what is buffered apart; -1 = the connection is to be dropped. */
static int take(struct conn *c)
{
    char *p = c->in, *end = c->in + c->have;
    int count = 0;
    for (;;) {
        size_t skip = c->skip < (size_t)(end - p) ? c->skip : (size_t)(end - p);
        p += skip;
        c->skip -= skip;
        if (c->skip || p == end) break;
        char *stop = memmem(p, (size_t)(end - p), "\r\n\r\n", 4);
        if (!stop) break;
        long body = body_length(p, stop + 4);
        if (body < 0) return -1;
        c->skip = (size_t)body;
        p = stop + 4;
        count++;
        if (count == MOST_AT_ONCE) {
            if (send_answers(c->fd, count)) return -1;
            count = 0;
        }
    }
    c->have = (size_t)(end - p);
    if (c->have && p != c->in) memmove(c->in, p, c->have);
    if (c->have == ROOM) return -1;
    return count ? send_answers(c->fd, count) : 0;
}

static void readable(struct conn *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, c->in + c->have, ROOM - c->have, 0);
        if (n > 0) {
            int full = c->have + (size_t)n == ROOM;
            c->have += (size_t)n;
            if (take(c)) { drop(c); return; }
            if (!full) return;          /* a short read: the socket is empty */
        } else if (n < 0 && errno == EAGAIN) {
            return;
        } else {
            drop(c);
            return;
        }
    }
}

static void accept_all(int listener, int ep)
{
    for (;;) {
        int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct conn *c = calloc(1, sizeof *c);
        if (!c) { close(fd); return; }
        c->fd = fd;
        struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c};
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) { fprintf(stderr, "usage: origin BODY_FILE\n"); return 2; }
    load_answer(argv[1]);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit lim;
    getrlimit(RLIMIT_NOFILE, &lim);
    lim.rlim_cur = lim.rlim_max;
    setrlimit(RLIMIT_NOFILE, &lim);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    if (bind(listener, (void *)&a, n) || listen(listener, 4096)) die("listen");
    getsockname(listener, (void *)&a, &n);
    printf("port %d\n", ntohs(a.sin_port));
    fflush(stdout);
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, got[EVENTS];
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int count = epoll_wait(ep, got, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (got[i].data.ptr) readable(got[i].data.ptr);
            else accept_all(listener, ep);
        }
    }
}
