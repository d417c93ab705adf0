// Datagrams in batches, with their control messages, and options of sockets.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

int rmcp_set_integer_option(int descriptor, int level, int name, int value) {
    return setsockopt(descriptor, level, name, &value, sizeof value);
}
int rmcp_get_integer_option(int descriptor, int level, int name, int *value) {
    socklen_t length = sizeof *value;
    return getsockopt(descriptor, level, name, value, &length);
}
int rmcp_enable_gro(int descriptor) { return rmcp_set_integer_option(descriptor, SOL_UDP, UDP_GRO, 1); }
int rmcp_enable_overflow_count(int descriptor) {
    return rmcp_set_integer_option(descriptor, SOL_SOCKET, SO_RXQ_OVFL, 1);
}
int rmcp_set_arrival_times(int descriptor, int is_on) { return rmcp_set_integer_option(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, is_on); }
int rmcp_last_arrival(int descriptor, int64_t *seconds, int64_t *nanoseconds) {
    struct timespec arrival;
    if (ioctl(descriptor, SIOCGSTAMPNS, &arrival) != 0) return -1;
    *seconds = arrival.tv_sec;
    *nanoseconds = arrival.tv_nsec;
    return 0;
}
int rmcp_socket_memory(int descriptor, uint32_t *used, uint32_t *limit) {
    uint32_t values[SK_MEMINFO_VARS];
    socklen_t length = sizeof values;
    if (getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, values, &length) != 0) return -1;
    *used = values[SK_MEMINFO_RMEM_ALLOC];
    *limit = values[SK_MEMINFO_RCVBUF];
    return 0;
}
int rmcp_set_received_ttl(int descriptor, int family, int is_on) {
    return family == AF_INET6 ? rmcp_set_integer_option(descriptor, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, is_on)
                              : rmcp_set_integer_option(descriptor, IPPROTO_IP, IP_RECVTTL, is_on);
}
int rmcp_set_forced_receive_buffer(int descriptor, int bytes) {
    return rmcp_set_integer_option(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, bytes);
}
int rmcp_set_pacing_rate(int descriptor, uint64_t bytes_per_second) {
    return setsockopt(descriptor, SOL_SOCKET, SO_MAX_PACING_RATE, &bytes_per_second, sizeof bytes_per_second);
}
int rmcp_set_do_not_fragment(int descriptor, int family) {
    return family == AF_INET6
        ? rmcp_set_integer_option(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO)
        : rmcp_set_integer_option(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
}
int rmcp_allow_fragments(int descriptor, int family) {
    return family == AF_INET6
        ? rmcp_set_integer_option(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT)
        : rmcp_set_integer_option(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
}
int rmcp_set_multicast_interface(int descriptor, int family, unsigned index, uint32_t address) {
    if (family == AF_INET6) return rmcp_set_integer_option(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)index);
    struct ip_mreqn request = {.imr_ifindex = (int)index, .imr_address.s_addr = address};
    return setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request);
}
int rmcp_set_multicast_ttl(int descriptor, int family, int ttl) {
    return family == AF_INET6 ? rmcp_set_integer_option(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl)
                              : rmcp_set_integer_option(descriptor, IPPROTO_IP, IP_MULTICAST_TTL, ttl);
}
int rmcp_set_multicast_loop(int descriptor, int family, int enabled) {
    return family == AF_INET6 ? rmcp_set_integer_option(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, enabled)
                              : rmcp_set_integer_option(descriptor, IPPROTO_IP, IP_MULTICAST_LOOP, enabled);
}
int rmcp_set_multicast_all(int descriptor, int family, int enabled) {
    return family == AF_INET6 ? rmcp_set_integer_option(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_ALL, enabled)
                              : rmcp_set_integer_option(descriptor, IPPROTO_IP, IP_MULTICAST_ALL, enabled);
}
int rmcp_multicast_membership(int descriptor, int family, const void *group, unsigned index, int join) {
    if (family == AF_INET6) {
        struct ipv6_mreq request = {.ipv6mr_interface = index};
        memcpy(&request.ipv6mr_multiaddr, group, 16);
        return setsockopt(descriptor, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &request, sizeof request);
    }
    struct ip_mreqn request = {.imr_ifindex = (int)index};
    memcpy(&request.imr_multiaddr, group, 4);
    return setsockopt(descriptor, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &request, sizeof request);
}

ssize_t rmcp_send(int descriptor, const struct sockaddr *address, socklen_t length, struct iovec *vector, size_t count,
                  uint16_t segment) {
    union {
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr alignment;
    } control;
    struct msghdr message = {
        .msg_name = (void *)address, .msg_namelen = length, .msg_iov = vector, .msg_iovlen = count};
    if (segment > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        memcpy(CMSG_DATA(header), &segment, sizeof segment);
    }
    return sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

#define RMCP_RECEIVE_LIMIT 64

int rmcp_receive(int descriptor, void *slab, size_t stride, unsigned buffers, struct rmcp_received *received) {
    struct mmsghdr messages[RMCP_RECEIVE_LIMIT];
    struct iovec vectors[RMCP_RECEIVE_LIMIT];
    union {
        char bytes[CMSG_SPACE(sizeof(int)) * 2 + CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(struct timespec))];
        struct cmsghdr alignment;
    } controls[RMCP_RECEIVE_LIMIT];
    if (buffers > RMCP_RECEIVE_LIMIT) buffers = RMCP_RECEIVE_LIMIT;
    for (unsigned i = 0; i < buffers; i++) {
        vectors[i] = (struct iovec){.iov_base = (char *)slab + stride * i, .iov_len = stride};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &received[i].address, .msg_namelen = sizeof received[i].address, .msg_iov = &vectors[i],
            .msg_iovlen = 1, .msg_control = controls[i].bytes, .msg_controllen = sizeof controls[i].bytes};
    }
    int count = recvmmsg(descriptor, messages, buffers, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        struct msghdr *message = &messages[i].msg_hdr;
        received[i].length = messages[i].msg_len;
        received[i].segment = 0;
        received[i].has_overflow = 0;
        received[i].ttl = -1;
        received[i].arrival_seconds = 0;
        received[i].arrival_nanoseconds = 0;
        received[i].truncated = (message->msg_flags & MSG_TRUNC) != 0;
        for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
            if (header->cmsg_level == SOL_UDP && header->cmsg_type == UDP_GRO) {
                int segment;
                memcpy(&segment, CMSG_DATA(header), sizeof segment);
                received[i].segment = (uint32_t)segment;
            } else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SO_RXQ_OVFL) {
                memcpy(&received[i].overflow, CMSG_DATA(header), sizeof(uint32_t));
                received[i].has_overflow = 1;
            } else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS) {
                struct timespec arrival;
                memcpy(&arrival, CMSG_DATA(header), sizeof arrival);
                received[i].arrival_seconds = arrival.tv_sec;
                received[i].arrival_nanoseconds = arrival.tv_nsec;
            } else if ((header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_TTL) ||
                       (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_HOPLIMIT)) {
                memcpy(&received[i].ttl, CMSG_DATA(header), sizeof(int));
            }
        }
    }
    return count;
}

int rmcp_interface_mtu(const char *name) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    int result = ioctl(descriptor, SIOCGIFMTU, &request);
    close(descriptor);
    return result < 0 ? -1 : request.ifr_mtu;
}

int rmcp_accept(int descriptor) { return accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); }
