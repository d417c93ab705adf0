/* The sending end: one sendmsg with UDP_SEGMENT for 46 packets, headers and payload gathered from where they lie. */
#include "blast.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIMIT_RECEIVERS = 1024 };

struct receiver {
    struct sockaddr_in address;
    uint64_t reached; /* bytes of content */
    bool done;
};

struct sender {
    const struct options *options;
    int socket, file;
    uint64_t length, packets;
    struct receiver receivers[LIMIT_RECEIVERS];
    int known, finished;
    uint64_t stalls;
    struct pipe pipe;
};

static void open_socket(struct sender *sender) {
    const struct options *options = sender->options;
    int segment = PACKET, off = 0;
    struct ip_mreqn from = {.imr_address = options->interface};
    sender->socket = socket(AF_INET, SOCK_DGRAM, 0);
    if (sender->socket < 0) fail("socket");
    if (setsockopt(sender->socket, IPPROTO_IP, IP_MULTICAST_IF, &from, sizeof from) < 0) fail("IP_MULTICAST_IF");
    setsockopt(sender->socket, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof off);
    if (setsockopt(sender->socket, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) < 0) fail("UDP_SEGMENT");
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = options->interface};
    if (bind(sender->socket, (struct sockaddr *)&own, sizeof own) < 0) fail("bind");
}

static void tell(struct sender *sender, enum kind kind) {
    struct header header = {.kind = kind, .window = sender->options->window, .sequence = sender->packets, .length = sender->length};
    sendto(sender->socket, &header, sizeof header, 0, (const struct sockaddr *)&sender->options->group, sizeof sender->options->group);
}

static struct receiver *find(struct sender *sender, const struct sockaddr_in *address) {
    for (int index = 0; index < sender->known; index++) {
        struct receiver *receiver = &sender->receivers[index];
        if (receiver->address.sin_addr.s_addr == address->sin_addr.s_addr && receiver->address.sin_port == address->sin_port)
            return receiver;
    }
    if (sender->known == LIMIT_RECEIVERS) return NULL;
    struct receiver *receiver = &sender->receivers[sender->known++];
    *receiver = (struct receiver){.address = *address};
    return receiver;
}

/* Takes what receivers say, waiting at most so long for the first of it; false when nothing came. */
static bool listen_for(struct sender *sender, int milliseconds) {
    struct pollfd readable = {.fd = sender->socket, .events = POLLIN};
    if (milliseconds > 0 && poll(&readable, 1, milliseconds) == 0) return false;
    bool any = false;
    for (;;) {
        struct header header;
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        if (recvfrom(sender->socket, &header, sizeof header, MSG_DONTWAIT, (struct sockaddr *)&from, &size) != sizeof header) return any;
        struct receiver *receiver = find(sender, &from);
        if (!receiver) continue;
        any = true;
        uint64_t reached = header.sequence * PAYLOAD;
        if (header.kind == PROGRESS && reached > receiver->reached) receiver->reached = reached;
        if (header.kind == DONE && !receiver->done) {
            receiver->done = true;
            sender->finished++;
        }
    }
}

static uint64_t slowest(const struct sender *sender) {
    uint64_t least = UINT64_MAX;
    for (int index = 0; index < sender->known; index++)
        if (sender->receivers[index].reached < least) least = sender->receivers[index].reached;
    return least;
}

/* Keeps within the window. A report can be lost like anything else: after a while without any it goes on. */
static void wait_for_credit(struct sender *sender, uint64_t position) {
    while (position > slowest(sender) + sender->options->window) {
        if (listen_for(sender, 200)) continue;
        for (int index = 0; index < sender->known; index++) sender->receivers[index].reached = position;
        sender->stalls++;
    }
}

static void *read_file(void *context) {
    struct sender *sender = context;
    uint64_t block = 0;
    for (uint64_t offset = 0; offset < sender->length; block++) {
        uint32_t length = sender->length - offset < BLOCK ? (uint32_t)(sender->length - offset) : BLOCK;
        pipe_wait_room(&sender->pipe);
        unsigned char *memory = pipe_memory(&sender->pipe, block);
        if (pread(sender->file, memory, length, (off_t)offset) != (ssize_t)length) fail("pread");
        if (sender->options->hash) digest_block(memory, length);
        pipe_fill(&sender->pipe, offset, length);
        offset += length;
    }
    pipe_close(&sender->pipe);
    return NULL;
}

static void send_batch(struct sender *sender, uint64_t sequence, const unsigned char *bytes, uint32_t length) {
    struct header headers[BATCH];
    struct iovec vectors[2 * BATCH];
    int count = 0;
    for (uint32_t offset = 0; offset < length; offset += PAYLOAD, count++) {
        uint32_t rest = length - offset < PAYLOAD ? length - offset : PAYLOAD;
        headers[count] = (struct header){.kind = DATA, .sequence = sequence + (uint64_t)count, .length = sender->length};
        vectors[2 * count] = (struct iovec){&headers[count], HEADER};
        vectors[2 * count + 1] = (struct iovec){(void *)(bytes + offset), rest};
    }
    struct sockaddr_in group = sender->options->group;
    struct msghdr message = {.msg_name = &group, .msg_namelen = sizeof group, .msg_iov = vectors, .msg_iovlen = (size_t)(2 * count)};
    while (sendmsg(sender->socket, &message, 0) < 0)
        if (errno != ENOBUFS && errno != EINTR) fail("sendmsg");
}

static void send_everything(struct sender *sender) {
    static unsigned char nothing[BLOCK];
    uint64_t sequence = 0;
    if (sender->file < 0) memset(nothing, 0xa5, sizeof nothing);
    for (uint64_t block = 0; sequence < sender->packets; block++) {
        uint64_t offset = sequence * PAYLOAD;
        uint32_t length = sender->length - offset < BLOCK ? (uint32_t)(sender->length - offset) : BLOCK;
        if (sender->file >= 0) pipe_wait_filled(&sender->pipe, block);
        const unsigned char *bytes = sender->file >= 0 ? pipe_memory(&sender->pipe, block) : nothing;
        for (uint32_t done = 0; done < length;) {
            uint32_t batch = length - done < BATCH * PAYLOAD ? length - done : BATCH * PAYLOAD;
            wait_for_credit(sender, sequence * PAYLOAD + batch);
            send_batch(sender, sequence, bytes + done, batch);
            sequence += (batch + PAYLOAD - 1) / PAYLOAD;
            done += batch;
        }
        if (sender->file >= 0) pipe_empty(&sender->pipe);
        listen_for(sender, 0);
    }
}

int run_sender(const struct options *options) {
    static struct sender sender;
    sender = (struct sender){.options = options, .file = -1, .length = options->length};
    if (options->path) {
        struct stat status;
        sender.file = open(options->path, O_RDONLY);
        if (sender.file < 0 || fstat(sender.file, &status) < 0) fail(options->path);
        sender.length = (uint64_t)status.st_size;
    }
    sender.packets = (sender.length + PAYLOAD - 1) / PAYLOAD;
    open_socket(&sender);
    double deadline = now() + options->limit;
    while (sender.known < options->receivers) {
        if (now() > deadline) return fputs("not all receivers came\n", stderr), 1;
        tell(&sender, HELLO);
        listen_for(&sender, 20);
    }
    double began = now();
    pthread_t reader;
    if (sender.file >= 0) {
        pipe_open(&sender.pipe);
        if (pthread_create(&reader, NULL, read_file, &sender) != 0) fail("pthread_create");
    }
    send_everything(&sender);
    double sent = now();
    while (sender.finished < options->receivers && now() < deadline) {
        tell(&sender, END);
        listen_for(&sender, 20);
    }
    for (int time = 0; time < 3; time++) tell(&sender, BYE);
    printf("{\"event\": \"sent\", \"bytes\": %llu, \"packets\": %llu, \"seconds_to_send\": %.6f, \"seconds\": %.6f, \"stalls\": %llu}\n",
           (unsigned long long)sender.length, (unsigned long long)sender.packets, sent - began, now() - began,
           (unsigned long long)sender.stalls);
    return sender.finished < options->receivers;
}
