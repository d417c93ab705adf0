// A disk that fails, lies and fills up, by LD_PRELOAD. Built by the tests that need it:
// cc -shared -fPIC -o sick.so sick.c -ldl
//
// Below a cache's path, about one call in SICK_ONE_IN does something else than it should: EIO, ENOSPC, half of what was asked, another
// byte than there was, or success of what was never written.
//
// SICK_SEED=N     which calls do what
// SICK_ONE_IN=N   how many of them
// SICK_LOG=FILE   gets a byte for each call that did not do what it should
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static uint64_t draw(void) {
    static uint64_t count;
    uint64_t value = __sync_add_and_fetch(&count, 1) + (uint64_t)atoll(getenv("SICK_SEED")) * 0x9E3779B97F4A7C15u;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 27) * 0x94D049BB133111EBu;
    return value ^ value >> 31;
}

static int is_cache(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return strstr(path, "/cache-") != 0 && strstr(path, "lock") == 0;
}

static void count_fault(void) {
    int log = open(getenv("SICK_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0 || write(log, "x", 1) != 1) abort();
    close(log);
}

// The names of the first two are errno's.
enum { FINE, EIO_, ENOSPC_, SHORT_, LIE_ };
static int fate(int descriptor) {
    if (!is_cache(descriptor)) return FINE;
    uint64_t value = draw();
    return value % (uint64_t)atoll(getenv("SICK_ONE_IN")) ? FINE : 1 + (int)(value >> 40) % 4;
}

static ssize_t sick_read(int fd, void *bytes, size_t count, off_t offset) {
    int what = fate(fd);
    if (what != FINE) count_fault();
    if (what == EIO_ || what == ENOSPC_) { errno = EIO; return -1; }
    ssize_t got = REAL(pread)(fd, bytes, what == SHORT_ ? count / 2 : count, offset);
    if (what == LIE_ && got > 0) ((char *)bytes)[draw() % (uint64_t)got] ^= 1;
    return got;
}

static ssize_t sick_write(int fd, const void *bytes, size_t count, off_t offset) {
    int what = fate(fd);
    if (what != FINE) count_fault();
    if (what == EIO_ || what == ENOSPC_) { errno = what == EIO_ ? EIO : ENOSPC; return -1; }
    // Lost on the way to the disk, and nobody is told.
    if (what == LIE_) return (ssize_t)count;
    return REAL(pwrite)(fd, bytes, what == SHORT_ && count > 1 ? count / 2 : count, offset);
}

ssize_t pread(int fd, void *bytes, size_t count, off_t offset) { return sick_read(fd, bytes, count, offset); }
ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset) { return sick_read(fd, bytes, count, offset); }
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { return sick_write(fd, bytes, count, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) { return sick_write(fd, bytes, count, offset); }

int ftruncate(int fd, off_t length) {
    if (fate(fd) == EIO_) {
        count_fault();
        errno = EIO;
        return -1;
    }
    return REAL(ftruncate)(fd, length);
}
