/*
 * What the kernel alone costs: bytes are moved between each client connection and an origin
 * connection of its own, and nothing is looked at. No gateway on sockets can cost less than
 * this, since it makes the same calls: one wait a wake-up, one receive, one send.
 *
 *     floor LISTEN_PORT ORIGIN_PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, BUFFER = 65536 };

static int epoll_fd;
static int *peer; /* by descriptor; 0 = none */
static char buffer[BUFFER];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int fd) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e))
        die("epoll_ctl");
}

static void drop(int fd) {
    int other = peer[fd];
    if (!other)
        return;
    peer[fd] = peer[other] = 0;
    close(fd);
    close(other);
}

static void accept_all(int listener, const struct sockaddr_in *origin, int files) {
    int client, up;
    while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        up = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (up < 0 || up >= files || client >= files)
            die("socket");
        /* Blocks for as long as a loopback connect takes: once a connection. */
        if (connect(up, (const struct sockaddr *)origin, sizeof *origin))
            die("connect");
        peer[client] = up;
        peer[up] = client;
        watch(client);
        watch(up);
    }
}

static void move(int fd) {
    ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    /* Small messages always fit: a short send would be an error of the measurement. */
    if (n <= 0 || send(peer[fd], buffer, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
        drop(fd);
}

static int listen_on(int port) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) || listen(fd, 4096))
        die("listen");
    return fd;
}

int main(int argc, char **argv) {
    struct epoll_event events[EVENTS], e = {.events = EPOLLIN};
    struct sockaddr_in origin = {.sin_family = AF_INET};
    struct rlimit files;
    int listener, n, i;
    if (argc != 3)
        return 2;
    getrlimit(RLIMIT_NOFILE, &files);
    peer = calloc(files.rlim_cur, sizeof *peer);
    origin.sin_port = htons((uint16_t)atoi(argv[2]));
    origin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = e.data.fd = listen_on(atoi(argv[1]));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!peer || epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e))
        die("epoll");
    for (;;) {
        n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (i = 0; i < n; i++)
            if (events[i].data.fd == listener)
                accept_all(listener, &origin, (int)files.rlim_cur);
            else if (peer[events[i].data.fd])
                move(events[i].data.fd);
    }
}
