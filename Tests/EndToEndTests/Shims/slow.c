// A host whose disks and file systems are slow, broken or lying, by LD_PRELOAD. Built by the tests that need it:
// cc -shared -fPIC -o slow.so slow.c -ldl
//
// SECONDS may have a part of a path behind a colon, which the file's path then has to contain.
//
// FSYNC_SLEEP=SECONDS[:PART]   fsync takes so long
// OPEN_SLEEP=SECONDS[:PART]    opening a path takes so long
// READ_SLEEP=SECONDS[:PART]    pread takes so long
// WRITE_SLEEP=SECONDS[:PART]   pwrite takes so long
// WRITE_RATE=N                pwrite of 64 KiB and more takes as long as at N MB/s
// WRITE_UNTIL=FILE             pwrite of 64 KiB and more stands still from the fifth on, until there is such a file
// LSEEK_SLEEP=SECONDS[:PART]   lseek with SEEK_DATA takes so long
// FSTAT_SLEEP=SECONDS[:PART]   fstat takes so long
// FSYNC_EIO=PART               fsync of a path that contains PART fails with EIO, once in a process; nothing reaches the disk
// FSYNC_DIR_EINVAL=1           fsync of a directory fails with EINVAL
// FCHMOD_EPERM=1               fchmod and futimens fail with EPERM
// FLOCK_ENOLCK=1               flock fails with ENOLCK
// ST_BLOCKS=N                  fstat of a regular file says N blocks
// FSTATAT_EIO=FILE             fstatat fails with EIO as long as there is such a file
// NO_TMPFILE=1                 open with O_TMPFILE fails with EOPNOTSUPP
// NO_DATA=1                    lseek with SEEK_DATA says that nothing but a hole follows
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void delay_path(const char *variable, const char *path) {
    const char *delay = getenv(variable);
    if (!delay) return;
    const char *part = strchr(delay, ':');
    if (!part || (path && strstr(path, part + 1))) sleep((unsigned)atoi(delay));
}

static void delay_descriptor(const char *variable, int fd) {
    char link[64], path[4096];
    if (!getenv(variable)) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    delay_path(variable, path);
}

static int fails_once(int fd) {
    static int done;
    char link[64], path[4096];
    const char *part = getenv("FSYNC_EIO");
    if (!part || done) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return strstr(path, part) && ++done;
}

int fsync(int fd) {
    struct stat status;
    delay_descriptor("FSYNC_SLEEP", fd);
    if (fails_once(fd)) { errno = EIO; return -1; }
    if (getenv("FSYNC_DIR_EINVAL") && REAL(fstat)(fd, &status) == 0 && S_ISDIR(status.st_mode)) { errno = EINVAL; return -1; }
    return REAL(fsync)(fd);
}

int fchmod(int fd, mode_t mode) {
    if (getenv("FCHMOD_EPERM")) { errno = EPERM; return -1; }
    return REAL(fchmod)(fd, mode);
}

int futimens(int fd, const struct timespec times[2]) {
    if (getenv("FCHMOD_EPERM")) { errno = EPERM; return -1; }
    return REAL(futimens)(fd, times);
}

int flock(int fd, int operation) {
    if (getenv("FLOCK_ENOLCK")) { errno = ENOLCK; return -1; }
    return REAL(flock)(fd, operation);
}

int fstat(int fd, struct stat *status) {
    delay_descriptor("FSTAT_SLEEP", fd);
    int result = REAL(fstat)(fd, status);
    const char *blocks = getenv("ST_BLOCKS");
    if (result == 0 && blocks && S_ISREG(status->st_mode)) status->st_blocks = atol(blocks);
    return result;
}

int fstatat(int directory, const char *name, struct stat *status, int flags) {
    const char *gate = getenv("FSTATAT_EIO");
    if (gate && access(gate, F_OK) == 0) { errno = EIO; return -1; }
    return REAL(fstatat)(directory, name, status, flags);
}

static off_t seek(int fd, off_t offset, int whence, off_t (*next)(int, off_t, int)) {
    if (whence == SEEK_DATA) {
        delay_descriptor("LSEEK_SLEEP", fd);
        if (getenv("NO_DATA")) { errno = ENXIO; return -1; }
    }
    return next(fd, offset, whence);
}
off_t lseek(int fd, off_t offset, int whence) { return seek(fd, offset, whence, REAL(lseek)); }
off_t lseek64(int fd, off_t offset, int whence) { return seek(fd, offset, whence, REAL(lseek64)); }

#define READ(name) ssize_t name(int fd, void *bytes, size_t count, off_t offset) { \
    delay_descriptor("READ_SLEEP", fd); return REAL(name)(fd, bytes, count, offset); }
READ(pread)
READ(pread64)

static void delay_bytes(size_t count) {
    static int chunks;
    const char *rate = getenv("WRITE_RATE"), *gate = getenv("WRITE_UNTIL");
    if (count <= 65536) return;
    if (rate) usleep((useconds_t)(count / atof(rate)));
    if (gate && __sync_add_and_fetch(&chunks, 1) > 4)
        while (access(gate, F_OK) != 0) usleep(10000);
}

#define WRITE(name) ssize_t name(int fd, const void *bytes, size_t count, off_t offset) { \
    delay_descriptor("WRITE_SLEEP", fd); delay_bytes(count); return REAL(name)(fd, bytes, count, offset); }
WRITE(pwrite)
WRITE(pwrite64)

static int refuses(int flags) { return (flags & O_TMPFILE) == O_TMPFILE && getenv("NO_TMPFILE"); }

#define OPEN(name)                                                                            \
    int name(const char *path, int flags, ...) {                                              \
        va_list list;                                                                         \
        va_start(list, flags);                                                                \
        int mode = flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? va_arg(list, int) : 0;     \
        va_end(list);                                                                         \
        delay_path("OPEN_SLEEP", path);                                                       \
        if (refuses(flags)) { errno = EOPNOTSUPP; return -1; }                                \
        return REAL(name)(path, flags, mode);                                                 \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                          \
    int name(int directory, const char *path, int flags, ...) {                               \
        va_list list;                                                                         \
        va_start(list, flags);                                                                \
        int mode = flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? va_arg(list, int) : 0;     \
        va_end(list);                                                                         \
        delay_path("OPEN_SLEEP", path);                                                       \
        if (refuses(flags)) { errno = EOPNOTSUPP; return -1; }                                \
        return REAL(name)(directory, path, flags, mode);                                      \
    }
OPENAT(openat)
OPENAT(openat64)
