/* The reference limit of scripts/bench: what a C program reaches on this machine that only sends.
 *
 * Nothing is repaired. A window keeps the sender at most so many bytes ahead of the slowest receiver, so that little is
 * lost where nothing but an overrun loses; what is lost is counted.
 *
 *   sender                                receivers
 *     HELLO, every 20 ms      ──────▶
 *                             ◀──────     READY, until all have said so
 *     DATA, at full rate      ──────▶
 *                             ◀──────     PROGRESS, every 1/8 of the window
 *     END, every 20 ms        ──────▶     stores what is left
 *                             ◀──────     DONE, until all have said so
 *     BYE                     ──────▶     leaves
 */
#ifndef BLAST_H
#define BLAST_H

#define _GNU_SOURCE
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* 24 bytes of header and 1376 of payload, as rmcp's packets have them at an MTU of 1500. */
enum { HEADER = 24, PAYLOAD = 1376, PACKET = HEADER + PAYLOAD, BATCH = 46, BATCH_BYTES = BATCH * PACKET };
/* About 1 MiB, and a whole number of packets, so that none lies in two blocks. */
enum { BLOCK_PACKETS = 762, BLOCK = BLOCK_PACKETS * PAYLOAD };

enum kind { HELLO = 1, READY, DATA, PROGRESS, END, DONE, BYE };

struct header {
    uint32_t kind;
    uint32_t window;   /* HELLO: how far the sender goes ahead, in bytes */
    uint64_t sequence; /* DATA: of the packet; PROGRESS, DONE: packets up to this one have come or are lost */
    uint64_t length;   /* of the content */
};

struct options {
    struct sockaddr_in group;
    struct in_addr interface;
    const char *path; /* send: read from there; receive: write there; NULL: nothing is read or written */
    uint64_t length;
    int receivers;
    uint32_t window;
    bool store; /* receive: place, hash and write */
    bool hash;  /* BLAKE3 of each block */
    double limit;
};

/* Blocks on their way between the network thread and the storage thread, in order: block n lies in slot n modulo BLOCKS,
 * and is filled when block n - BLOCKS has been emptied. */
enum { BLOCKS = 16 };
struct pipe {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t filled, emptied; /* blocks ever */
    bool closed;
    unsigned char *memory;
    struct slot {
        uint64_t offset;
        uint32_t length;
    } slots[BLOCKS];
};

void pipe_open(struct pipe *pipe);
unsigned char *pipe_memory(struct pipe *pipe, uint64_t block);
void pipe_wait_room(struct pipe *pipe);                                   /* until a block may be filled */
void pipe_fill(struct pipe *pipe, uint64_t offset, uint32_t length);      /* the next block is full */
bool pipe_wait_filled(struct pipe *pipe, uint64_t block);                 /* false: closed, and nothing more comes */
void pipe_empty(struct pipe *pipe);                                       /* the oldest block is free again */
void pipe_close(struct pipe *pipe);

double now(void);
void fail(const char *what);
void digest_block(const unsigned char *bytes, size_t length);

int run_sender(const struct options *options);
int run_receiver(const struct options *options);

#endif
