/* Options, clock, digest, and the ring of blocks between the two threads that each end has. */
#include "blast.h"

#include <CBLAKE3.h>
#include <arpa/inet.h>
#include <getopt.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void fail(const char *what) {
    perror(what);
    exit(1);
}

void digest_block(const unsigned char *bytes, size_t length) {
    unsigned char digest[32];
    rmcp_blake3(bytes, length, digest);
}

void pipe_open(struct pipe *pipe) {
    memset(pipe, 0, sizeof *pipe);
    pthread_mutex_init(&pipe->lock, NULL);
    pthread_cond_init(&pipe->changed, NULL);
    pipe->memory = aligned_alloc(4096, (size_t)BLOCKS * ((BLOCK + 4095) / 4096 * 4096));
    if (!pipe->memory) fail("aligned_alloc");
}

unsigned char *pipe_memory(struct pipe *pipe, uint64_t block) {
    return pipe->memory + block % BLOCKS * ((BLOCK + 4095) / 4096 * 4096);
}

static void wait_until_changed(struct pipe *pipe) { pthread_cond_wait(&pipe->changed, &pipe->lock); }

static void announce_change(struct pipe *pipe) {
    pthread_cond_broadcast(&pipe->changed);
    pthread_mutex_unlock(&pipe->lock);
}

void pipe_wait_room(struct pipe *pipe) {
    pthread_mutex_lock(&pipe->lock);
    while (pipe->filled - pipe->emptied == BLOCKS) wait_until_changed(pipe);
    pthread_mutex_unlock(&pipe->lock);
}

void pipe_fill(struct pipe *pipe, uint64_t offset, uint32_t length) {
    pthread_mutex_lock(&pipe->lock);
    pipe->slots[pipe->filled % BLOCKS] = (struct slot){.offset = offset, .length = length};
    pipe->filled++;
    announce_change(pipe);
}

bool pipe_wait_filled(struct pipe *pipe, uint64_t block) {
    pthread_mutex_lock(&pipe->lock);
    while (pipe->filled <= block && !pipe->closed) wait_until_changed(pipe);
    bool is_there = pipe->filled > block;
    pthread_mutex_unlock(&pipe->lock);
    return is_there;
}

void pipe_empty(struct pipe *pipe) {
    pthread_mutex_lock(&pipe->lock);
    pipe->emptied++;
    announce_change(pipe);
}

void pipe_close(struct pipe *pipe) {
    pthread_mutex_lock(&pipe->lock);
    pipe->closed = true;
    announce_change(pipe);
}

static struct in_addr interface_address(const char *name) {
    struct ifreq request = {.ifr_addr.sa_family = AF_INET};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    if (descriptor < 0 || ioctl(descriptor, SIOCGIFADDR, &request) < 0) fail(name);
    close(descriptor);
    return ((struct sockaddr_in *)&request.ifr_addr)->sin_addr;
}

static void usage(void) {
    fputs("usage: blast send [--file PATH | --bytes N] [--receivers N] [--window BYTES] [options]\n"
          "       blast receive [--store PATH] [options]\n"
          "options: --interface eth0 --group 239.77.0.1 --port 7700 --hash none|blake3 --limit SECONDS\n"
          "each end prints one line of JSON when it is done\n",
          stderr);
    exit(2);
}

int main(int count, char **arguments) {
    static const struct option known[] = {
        {"file", required_argument, 0, 'f'},   {"bytes", required_argument, 0, 'b'},     {"receivers", required_argument, 0, 'r'},
        {"window", required_argument, 0, 'w'}, {"store", required_argument, 0, 's'},     {"interface", required_argument, 0, 'i'},
        {"group", required_argument, 0, 'g'},  {"port", required_argument, 0, 'p'},      {"hash", required_argument, 0, 'h'},
        {"limit", required_argument, 0, 'l'},  {0}};
    struct options options = {.group.sin_family = AF_INET, .receivers = 1, .window = 8 << 20, .limit = 60};
    const char *interface = "eth0";
    options.group.sin_port = htons(7700);
    inet_pton(AF_INET, "239.77.0.1", &options.group.sin_addr);
    if (count < 2) usage();
    for (int option; (option = getopt_long(count - 1, arguments + 1, "", known, NULL)) != -1;) {
        switch (option) {
        case 'f': options.path = optarg; break;
        case 'b': options.length = strtoull(optarg, NULL, 10); break;
        case 'r': options.receivers = atoi(optarg); break;
        case 'w': options.window = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 's': options.path = optarg, options.store = true; break;
        case 'i': interface = optarg; break;
        case 'g':
            if (inet_pton(AF_INET, optarg, &options.group.sin_addr) != 1) usage();
            break;
        case 'p': options.group.sin_port = htons((uint16_t)atoi(optarg)); break;
        case 'h': options.hash = strcmp(optarg, "blake3") == 0; break;
        case 'l': options.limit = atof(optarg); break;
        default: usage();
        }
    }
    options.interface = interface_address(interface);
    if (strcmp(arguments[1], "send") == 0) return run_sender(&options);
    if (strcmp(arguments[1], "receive") == 0) return run_receiver(&options);
    usage();
}
