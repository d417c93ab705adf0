/* scatter PAYLOAD MEBIBYTES ROUNDS: processor time of taking payloads out of UDP_GRO batches, three ways.
 *
 *   copied     recvmsg into one buffer, and memcpy of each payload to its place: what rmcp does
 *   scattered  recvmsg with alternating vectors, headers aside and payloads to their places, all guessed right
 *   left       recvmsg into one buffer, and nothing else
 *
 * Places go through MEBIBYTES of memory in large pages, again and again: what is small stays in a cache. One thread
 * fills a socket over loopback and empties it; only emptying counts. Prints the medians in seconds for each GB.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 24, BATCH = 65000, BUFFER = 1 << 16, MOST = 64, BATCHES = 300, LARGE_PAGE = 2 << 20, ROUNDS = 1000 };
enum way { COPIED, SCATTERED, LEFT, WAYS };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double used(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int compare(const void *one, const void *other) {
    double left = *(const double *)one, right = *(const double *)other;
    return left < right ? -1 : left > right;
}

static int open_socket(int option, int value, struct sockaddr_in *address) {
    int size = 64 << 20, descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    if (descriptor < 0) fail("socket");
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    if (setsockopt(descriptor, SOL_UDP, option, &value, sizeof value) < 0) fail("setsockopt");
    socklen_t length = sizeof *address;
    if (option == UDP_SEGMENT) {
        if (connect(descriptor, (struct sockaddr *)address, length) < 0) fail("connect");
    } else if (bind(descriptor, (struct sockaddr *)address, length) < 0 || getsockname(descriptor, (struct sockaddr *)address, &length) < 0) {
        fail("bind");
    }
    return descriptor;
}

static unsigned char *map_places(size_t length) {
    unsigned char *memory = mmap(NULL, length + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    memory += LARGE_PAGE - (size_t)memory % LARGE_PAGE;
    madvise(memory, length, MADV_HUGEPAGE);
    memset(memory, 1, length);
    return memory;
}

/* Takes one batch of `count` packets to `place`. */
static void take(enum way way, int descriptor, unsigned char *place, size_t payload, int count) {
    static unsigned char buffer[BUFFER], headers[MOST][HEADER];
    struct iovec vectors[2 * MOST] = {{buffer, sizeof buffer}};
    union { struct cmsghdr align; char bytes[64]; } control;
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (way == SCATTERED) {
        for (int index = 0; index < count; index++) {
            vectors[2 * index] = (struct iovec){headers[index], HEADER};
            vectors[2 * index + 1] = (struct iovec){place + (size_t)index * payload, payload};
        }
        message.msg_iovlen = 2 * (size_t)count;
    }
    if (recvmsg(descriptor, &message, 0) != (ssize_t)((payload + HEADER) * (size_t)count)) fail("a batch did not come whole");
    if (way != COPIED) return;
    for (int index = 0; index < count; index++) memcpy(place + (size_t)index * payload, buffer + (size_t)index * (payload + HEADER) + HEADER, payload);
}

int main(int arguments, char **values) {
    size_t payload = arguments > 1 ? (size_t)atoi(values[1]) : 0, area = arguments > 2 ? (size_t)atoi(values[2]) << 20 : 0;
    int rounds = arguments > 3 ? atoi(values[3]) : 0;
    if (payload < 1000 || payload > 9000 || area == 0 || rounds < 1 || rounds > ROUNDS) {
        fputs("usage: scatter PAYLOAD MEBIBYTES ROUNDS, of 1000 to 9000 bytes\n", stderr);
        return 2;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int receiver = open_socket(UDP_GRO, 1, &address), sender = open_socket(UDP_SEGMENT, (int)payload + HEADER, &address);
    int count = BATCH / (int)(payload + HEADER) < MOST ? BATCH / (int)(payload + HEADER) : MOST;
    size_t batch = (payload + HEADER) * (size_t)count, stored = payload * (size_t)count;
    static unsigned char content[BUFFER];
    static double seconds[WAYS][ROUNDS];
    unsigned char *places = map_places(area);
    for (int round = 0; round < rounds; round++) {
        for (enum way way = 0; way < WAYS; way++) {
            for (int index = 0; index < BATCHES; index++)
                if (send(sender, content, batch, 0) != (ssize_t)batch) fail("send");
            size_t at = 0;
            double before = used();
            for (int index = 0; index < BATCHES; index++) {
                if (at + stored > area) at = 0;
                take(way, receiver, places + at, payload, count);
                at += stored;
            }
            seconds[way][round] = used() - before;
        }
    }
    double gigabytes = (double)stored * BATCHES / 1e9;
    printf("{\"payload\": %zu, \"mebibytes\": %zu", payload, area >> 20);
    const char *names[WAYS] = {"copied", "scattered", "left"};
    for (enum way way = 0; way < WAYS; way++) {
        qsort(seconds[way], (size_t)rounds, sizeof seconds[way][0], compare);
        printf(", \"%s\": %.4f", names[way], seconds[way][rounds / 2] / gigabytes);
    }
    puts("}");
    return 0;
}
