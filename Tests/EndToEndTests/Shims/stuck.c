// A cache's disk on which one system call stands still, by LD_PRELOAD. Built by the tests that need it:
// cc -shared -fPIC -o stuck.so stuck.c -ldl
//
// STUCK_CALL=CALL    which one, below a cache's path
// STUCK_WHILE=FILE   as long as there is such a file: the first call for seven seconds at most
// STUCK_ALL=1        all of them, for as long as there is that file
//
// FILE.stood-CALL is there once one stands, and FILE.done-CALL once it goes on.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_armed(void) { return faccessat(AT_FDCWD, getenv("STUCK_WHILE"), F_OK, 0) == 0; }

static void mark(const char *state, const char *call) {
    char path[4096];
    snprintf(path, sizeof path, "%s.%s-%s", getenv("STUCK_WHILE"), state, call);
    // Not by openat, which would be stuck.
    int file = creat(path, 0600);
    if (file < 0) abort();
    close(file);
}

static void stand(const char *call, int descriptor, const char *path) {
    static int done;
    char link[64], directory[4096] = "";
    struct timespec moment = {0, 20000000};
    if (strcmp(call, getenv("STUCK_CALL")) || !is_armed()) return;
    if (descriptor >= 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(link, directory, sizeof directory - 1);
        directory[length < 0 ? 0 : length] = 0;
    }
    if (!strstr(directory, "/cache-") && !(path && strstr(path, "/cache-"))) return;
    if (!getenv("STUCK_ALL") && !__sync_bool_compare_and_swap(&done, 0, 1)) return;
    mark("stood", call);
    for (int rounds = 0; is_armed() && (getenv("STUCK_ALL") || rounds < 350); rounds++) nanosleep(&moment, 0);
    mark("done", call);
}

ssize_t pread(int fd, void *bytes, size_t count, off_t offset) { stand("pread", fd, 0); return REAL(pread)(fd, bytes, count, offset); }
ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset) { stand("pread", fd, 0); return REAL(pread64)(fd, bytes, count, offset); }
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { stand("pwrite", fd, 0); return REAL(pwrite)(fd, bytes, count, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) { stand("pwrite", fd, 0); return REAL(pwrite64)(fd, bytes, count, offset); }
int ftruncate(int fd, off_t length) { stand("ftruncate", fd, 0); return REAL(ftruncate)(fd, length); }
int ftruncate64(int fd, off64_t length) { stand("ftruncate", fd, 0); return REAL(ftruncate64)(fd, length); }
int futimens(int fd, const struct timespec times[2]) { stand("futimens", fd, 0); return REAL(futimens)(fd, times); }
int mkdir(const char *path, mode_t mode) { stand("mkdir", -1, path); return REAL(mkdir)(path, mode); }
int mkdirat(int fd, const char *path, mode_t mode) { stand("mkdir", fd, path); return REAL(mkdirat)(fd, path, mode); }
int renameat(int fd, const char *path, int to, const char *name) { stand("rename", fd, path); return REAL(renameat)(fd, path, to, name); }

#define OPENAT(name)                                                \
    int name(int fd, const char *path, int flags, ...) {            \
        va_list list;                                               \
        va_start(list, flags);                                      \
        int mode = flags & O_CREAT ? va_arg(list, int) : 0;         \
        va_end(list);                                               \
        stand("open", fd, path);                                    \
        return REAL(name)(fd, path, flags, mode);                   \
    }
OPENAT(openat)
OPENAT(openat64)
