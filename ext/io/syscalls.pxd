"""The system calls of ext/io, declared once. Nothing here but declarations."""

from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uint32_t

cdef extern from "<sys/types.h>" nogil:
    ctypedef long ssize_t

cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD
        EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET, EPOLLEXCLUSIVE
    ctypedef union epoll_data_t:
        void* ptr
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, epoll_event* event)
    int epoll_wait(int epfd, epoll_event* events, int maxevents, int timeout)

cdef extern from "<time.h>" nogil:
    enum:
        CLOCK_MONOTONIC
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec* at)

cdef extern from "<sys/timerfd.h>" nogil:
    enum:
        TFD_NONBLOCK, TFD_CLOEXEC, TFD_TIMER_ABSTIME
    struct itimerspec:
        timespec it_interval
        timespec it_value
    int timerfd_create(int clock, int flags)
    int timerfd_settime(int fd, int flags, const itimerspec* new, itimerspec* old)

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len

cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC
        SOL_SOCKET, SO_ERROR, SO_LINGER, SO_KEEPALIVE
        MSG_NOSIGNAL, MSG_DONTWAIT, MSG_PEEK, SHUT_WR
    ctypedef uint32_t socklen_t
    ctypedef uint16_t sa_family_t
    struct sockaddr:
        sa_family_t sa_family
    struct sockaddr_storage:
        sa_family_t ss_family
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    struct c_linger "linger":
        int l_onoff
        int l_linger
    int socket(int family, int kind, int protocol)
    int connect(int fd, const sockaddr* to, socklen_t n)
    int accept4(int fd, sockaddr* peer, socklen_t* n, int flags)
    int getsockname(int fd, sockaddr* ours, socklen_t* n)
    int getsockopt(int fd, int level, int name, void* value, socklen_t* n)
    int setsockopt(int fd, int level, int name, const void* value, socklen_t n)
    int shutdown(int fd, int how)
    ssize_t recv(int fd, void* into, size_t n, int flags)
    ssize_t send(int fd, const void* p, size_t n, int flags)
    ssize_t sendmsg(int fd, const msghdr* message, int flags)

cdef extern from "<netinet/in.h>" nogil:
    enum:
        IPPROTO_TCP
    struct in_addr:
        uint32_t s_addr
    struct in6_addr:
        unsigned char s6_addr[16]
    struct sockaddr_in:
        uint16_t sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        uint16_t sin6_port
        in6_addr sin6_addr

cdef extern from "<netinet/tcp.h>" nogil:
    enum:
        TCP_DEFER_ACCEPT, TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT

cdef extern from "<arpa/inet.h>" nogil:
    const char* inet_ntop(int family, const void* ip, char* text, socklen_t n)
    int inet_pton(int family, const char* text, void* ip)
    uint16_t ntohs(uint16_t port)

cdef extern from "<unistd.h>" nogil:
    int close_fd "close" (int fd)
    ssize_t read(int fd, void* into, size_t n)
    int pipe2(int* ends, int flags)

cdef extern from "<fcntl.h>" nogil:
    enum:
        O_NONBLOCK, O_CLOEXEC, F_SETPIPE_SZ
        SPLICE_F_MOVE, SPLICE_F_NONBLOCK, SPLICE_F_MORE
    int fcntl(int fd, int what, ...)
    ssize_t splice(int source, void* at, int sink, void* to, size_t n, unsigned int flags)

cdef extern from "<sys/ioctl.h>" nogil:
    int ioctl(int fd, unsigned long what, ...)

cdef extern from "<linux/sockios.h>" nogil:
    enum:
        SIOCOUTQ                # bytes of a socket that its peer has not acknowledged
