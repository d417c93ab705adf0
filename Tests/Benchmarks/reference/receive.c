/* The receiving end: recvmmsg with UDP_GRO into one slab. It counts; with a file it also places, hashes and writes. */
#include "blast.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFERS = 16, BUFFER = 1 << 16 };
/* The kernel counts buffers with what is around each packet; so much holds several windows. */
enum { SOCKET_BUFFER = 32 << 20 };

struct receiver {
    const struct options *options;
    int socket, file;
    struct sockaddr_in sender;
    uint32_t window;
    uint64_t length, packets, next, reported; /* next: one past the highest sequence that came */
    bool ended, left;
    uint64_t block; /* that is being filled */
    struct pipe pipe;
    pthread_t writer;
};

static void open_socket(struct receiver *receiver) {
    const struct options *options = receiver->options;
    int on = 1, size = SOCKET_BUFFER;
    struct timeval patience = {.tv_usec = 100000};
    struct ip_mreqn membership = {.imr_multiaddr = options->group.sin_addr, .imr_address = options->interface};
    receiver->socket = socket(AF_INET, SOCK_DGRAM, 0);
    if (receiver->socket < 0) fail("socket");
    setsockopt(receiver->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(receiver->socket, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(receiver->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (setsockopt(receiver->socket, IPPROTO_UDP, UDP_GRO, &on, sizeof on) < 0) fail("UDP_GRO");
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = options->group.sin_port};
    if (bind(receiver->socket, (struct sockaddr *)&any, sizeof any) < 0) fail("bind");
    if (setsockopt(receiver->socket, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership) < 0) fail("IP_ADD_MEMBERSHIP");
}

static void tell(struct receiver *receiver, enum kind kind) {
    struct header header = {.kind = kind, .sequence = receiver->next};
    sendto(receiver->socket, &header, sizeof header, 0, (struct sockaddr *)&receiver->sender, sizeof receiver->sender);
}

static void *write_file(void *context) {
    struct receiver *receiver = context;
    for (uint64_t block = 0; pipe_wait_filled(&receiver->pipe, block); block++) {
        struct slot slot = receiver->pipe.slots[block % BLOCKS];
        const unsigned char *memory = pipe_memory(&receiver->pipe, block);
        if (receiver->options->hash) digest_block(memory, slot.length);
        if (pwrite(receiver->file, memory, slot.length, (off_t)slot.offset) != (ssize_t)slot.length) fail("pwrite");
        pipe_empty(&receiver->pipe);
    }
    return NULL;
}

static void start_writer(struct receiver *receiver) {
    receiver->file = open(receiver->options->path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (receiver->file < 0 || ftruncate(receiver->file, (off_t)receiver->length) < 0) fail(receiver->options->path);
    pipe_open(&receiver->pipe);
    if (pthread_create(&receiver->writer, NULL, write_file, receiver) != 0) fail("pthread_create");
}

static void finish_block(struct receiver *receiver) {
    uint64_t offset = receiver->block * BLOCK;
    uint64_t rest = receiver->length - offset;
    pipe_fill(&receiver->pipe, offset, rest < BLOCK ? (uint32_t)rest : BLOCK);
    receiver->block++;
    pipe_wait_room(&receiver->pipe);
}

/* Puts a payload at its place. What is lost stays whatever was there: nothing is repaired. */
static void place(struct receiver *receiver, uint64_t sequence, const unsigned char *payload, size_t length) {
    uint64_t block = sequence / BLOCK_PACKETS;
    if (block < receiver->block || sequence >= receiver->packets || length > PAYLOAD) return;
    while (receiver->block < block) finish_block(receiver);
    memcpy(pipe_memory(&receiver->pipe, block) + sequence % BLOCK_PACKETS * PAYLOAD, payload, length);
}

static void take_control(struct receiver *receiver, const struct header *header, const struct sockaddr_in *from) {
    receiver->sender = *from;
    if (header->kind == HELLO) {
        receiver->window = header->window;
        if (receiver->length == 0) {
            receiver->length = header->length;
            receiver->packets = header->sequence;
            if (receiver->options->store) start_writer(receiver);
        }
        tell(receiver, READY);
    } else if (header->kind == END) {
        receiver->ended = true;
    } else if (header->kind == BYE) {
        receiver->left = true;
    }
}

/* One buffer: a packet, or several that GRO put together, all `segment` long but the last. Returns how many. */
static uint64_t take(struct receiver *receiver, const unsigned char *bytes, size_t length, size_t segment, const struct sockaddr_in *from) {
    uint64_t taken = 0;
    for (size_t offset = 0; offset + HEADER <= length; offset += segment) {
        size_t size = length - offset < segment ? length - offset : segment;
        struct header header;
        if (size < HEADER) break;
        memcpy(&header, bytes + offset, sizeof header);
        if (header.kind != DATA) {
            take_control(receiver, &header, from);
            continue;
        }
        if (receiver->options->store && receiver->length) place(receiver, header.sequence, bytes + offset + HEADER, size - HEADER);
        if (header.sequence >= receiver->next) receiver->next = header.sequence + 1;
        taken++;
    }
    uint64_t reached = receiver->next * PAYLOAD;
    if (taken > 0 && reached - receiver->reported >= receiver->window / 8) {
        receiver->reported = reached;
        tell(receiver, PROGRESS);
    }
    return taken;
}

static size_t segment_of(struct msghdr *message, size_t length) {
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
        if (control->cmsg_level != IPPROTO_UDP || control->cmsg_type != UDP_GRO) continue;
        int segment;
        memcpy(&segment, CMSG_DATA(control), sizeof segment);
        return (size_t)segment;
    }
    return length;
}

static void store_the_rest(struct receiver *receiver) {
    if (!receiver->options->store || receiver->file < 0) return;
    while (receiver->block * BLOCK < receiver->length) finish_block(receiver);
    pipe_close(&receiver->pipe);
    pthread_join(receiver->writer, NULL);
    if (fsync(receiver->file) < 0) fail("fsync");
}

int run_receiver(const struct options *options) {
    static struct receiver receiver;
    static unsigned char slab[BUFFERS][BUFFER];
    struct mmsghdr messages[BUFFERS];
    struct iovec vectors[BUFFERS];
    struct sockaddr_in addresses[BUFFERS];
    union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } controls[BUFFERS];
    receiver = (struct receiver){.options = options, .file = -1, .window = options->window};
    open_socket(&receiver);
    puts("{\"event\": \"ready\"}");
    fflush(stdout);
    uint64_t taken = 0, reads = 0;
    double done = 0, deadline = now() + options->limit;
    while (!receiver.left && now() < deadline && !(done && now() > done + 1)) {
        for (int index = 0; index < BUFFERS; index++) {
            vectors[index] = (struct iovec){slab[index], BUFFER};
            messages[index].msg_hdr = (struct msghdr){.msg_name = &addresses[index], .msg_namelen = sizeof addresses[index],
                .msg_iov = &vectors[index], .msg_iovlen = 1, .msg_control = &controls[index], .msg_controllen = sizeof controls[index]};
        }
        int count = recvmmsg(receiver.socket, messages, BUFFERS, MSG_WAITFORONE, NULL);
        if (count < 0 && errno != EAGAIN && errno != EINTR) fail("recvmmsg");
        for (int index = 0; index < count; index++) {
            size_t length = messages[index].msg_len;
            reads++;
            taken += take(&receiver, slab[index], length, segment_of(&messages[index].msg_hdr, length), &addresses[index]);
        }
        if (receiver.ended) {
            if (!done) {
                store_the_rest(&receiver);
                done = now();
            }
            receiver.ended = false;
            tell(&receiver, DONE);
        }
    }
    printf("{\"event\": \"done\", \"at\": %.6f, \"packets\": %llu, \"lost\": %llu, \"reads\": %llu}\n", done, (unsigned long long)taken,
           (unsigned long long)(receiver.packets - taken), (unsigned long long)reads);
    return done == 0;
}
