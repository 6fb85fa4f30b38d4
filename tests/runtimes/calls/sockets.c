#include "check.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

// A descriptor travels from one process to another.
static void passing(void) {
    int pair[2], event[2], on = 1;
    char space[CMSG_SPACE(sizeof(int))], byte = 'x';
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space};
    message.msg_controllen = sizeof space;
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0 && pipe(event) == 0);
    CHECK(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    struct { int pid, uid, gid; } peer;
    socklen_t length = sizeof peer;
    CHECK(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.pid == getpid());
    on = 0;
    setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &event[1], sizeof(int));
    CHECK(IN_CHILD(sendmsg(pair[1], &message, 0) != 1));
    int fd = -1;
    CHECK(recvmsg(pair[0], &message, MSG_CMSG_CLOEXEC) == 1);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    CHECK(write(fd, "y", 1) == 1 && read(event[0], &byte, 1) == 1 && byte == 'y');
    close(fd), close(pair[0]), close(pair[1]), close(event[0]), close(event[1]);
}

// One process serves, the other asks.
static void stream(const struct sockaddr *address, socklen_t length) {
    struct sockaddr_storage bound, peer;
    socklen_t size = sizeof bound, peer_size = sizeof peer;
    int on = 1, server = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(server >= 0);
    CHECK(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(server, address, length) == 0);
    CHECK(listen(server, 8) == 0);
    CHECK(getsockname(server, (struct sockaddr *)&bound, &size) == 0);
    pid_t pid = fork();
    if (!pid) {
        int client = socket(address->sa_family, SOCK_STREAM, 0);
        char answer[4];
        int inet = address->sa_family != AF_UNIX;
        if (inet && setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on)) _exit(1);
        if (connect(client, (struct sockaddr *)&bound, size)) _exit(2);
        if (send(client, "ask", 3, MSG_NOSIGNAL) != 3) _exit(2);
        if (shutdown(client, SHUT_WR) || getpeername(client, (struct sockaddr *)&peer, &peer_size)) _exit(3);
        _exit(recv(client, answer, 4, MSG_WAITALL) != 4 || memcmp(answer, "tell", 4));
    }
    int accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    char asked[4];
    CHECK(accepted >= 0);
    CHECK(recvfrom(accepted, asked, 4, MSG_WAITALL, NULL, NULL) == 3);
    CHECK(ioctl(accepted, FIONREAD, &on) == 0);
    CHECK(sendto(accepted, "tell", 4, 0, NULL, 0) == 4);
    CHECK(exit_status(pid) == 0);
    close(accepted), close(server);
}

static void datagrams(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_DGRAM, 0), client = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(server >= 0 && bind(server, (struct sockaddr *)&address, size) == 0);
    CHECK(getsockname(server, (struct sockaddr *)&address, &size) == 0);
    CHECK(connect(client, (struct sockaddr *)&address, size) == 0);
    char text[2][4] = {"one", "two"};
    struct iovec data[2] = {{text[0], 3}, {text[1], 3}};
    struct mmsghdr messages[2] = {0};
    for (int i = 0; i < 2; i++) messages[i].msg_hdr = (struct msghdr){.msg_iov = &data[i], .msg_iovlen = 1};
    CHECK(sendmmsg(client, messages, 2, 0) == 2);
    CHECK(recvmmsg(server, messages, 2, MSG_WAITALL, NULL) == 2 && messages[1].msg_len == 3);
    close(server), close(client);
}

static void names(void) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;
    CHECK(getaddrinfo("localhost", "80", &hints, &found) == 0 && found);
    char host[64];
    CHECK(found && getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, NULL, 0, 0) == 0);
    // By netlink. There is loopback, and nothing else.
    struct ifaddrs *all = NULL;
    CHECK(getifaddrs(&all) == 0 && all);
    for (struct ifaddrs *each = all; each; each = each->ifa_next) CHECK(each->ifa_flags & IFF_LOOPBACK);
    CHECK(if_nametoindex("lo") > 0);
    CHECK(gethostname(host, sizeof host) == 0 && !strcmp(host, "cofferdam"));
}

void sockets(void) {
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 inet6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/tmp/socket"};
    struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0socket"};
    passing();
    stream((struct sockaddr *)&inet, sizeof inet);
    if (!access("/proc/net/if_inet6", F_OK)) stream((struct sockaddr *)&inet6, sizeof inet6);
    stream((struct sockaddr *)&path, sizeof path);
    stream((struct sockaddr *)&abstract, sizeof(sa_family_t) + 7);
    datagrams();
    names();
}
