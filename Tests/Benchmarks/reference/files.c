/* files SOURCE MEBIBYTES DIRECTORY...: what the kernel alone takes for a file or a directory that is read once and made several times.
 *
 * One process reads SOURCE into memory that all share, and one for each DIRECTORY writes it there at the same time, in a place of its own:
 * makes, writes, sets times, closes. Then syncfs(2) or fsync(2), a rename, and an fsync of the directory. Of a directory, syncfs(2) is called
 * by a thread each MEBIBYTES besides (0: at the end only); one file begins to be flushed as it is written, as rmcp's is. Nothing is sent,
 * hashed, listed beforehand or looked at twice. Modes are those that the mask gives, and owners whoever runs it.
 *
 * Prints seconds until the last has it, those of processors, and the longest that one waited for its last flush.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, BATCH = 1 << 20, MOST = 1 << 18, WRITERS = 64, PATHS = 1 << 24 };

struct piece {
    const char *name; /* below the root; of a file in its directory; NULL continues the file before */
    int is_directory;
    size_t offset, length;
    struct timespec modified;
};

/* In memory that all share. */
static struct {
    struct piece pieces[MOST];
    char paths[PATHS];
    double flushed[WRITERS];
} *shared;

static unsigned char *content;
static size_t filled, room, told, texts;
static int count, pipes[WRITERS], writers;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double used(int who) {
    struct rusage usage;
    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void *map(size_t length) {
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    return memory;
}

/* Writers may go on with what has been read. */
static void tell(void) {
    for (int index = 0; index < writers; index++) {
        if (write(pipes[index], &count, sizeof count) != sizeof count) fail("write to a pipe");
    }
    told = filled;
}

static struct piece *add(const char *name, struct timespec modified) {
    if (count == MOST) exit(2);
    struct piece *piece = &shared->pieces[count];
    *piece = (struct piece){.offset = filled, .modified = modified};
    if (name) {
        size_t length = strlen(name) + 1;
        if (texts + length > PATHS) exit(2);
        piece->name = memcpy(shared->paths + texts, name, length);
        texts += length;
    }
    return piece;
}

/* Reads all of an open file, a piece at a time. */
static void take(int descriptor, const char *name) {
    struct stat status;
    if (fstat(descriptor, &status) < 0) fail(name);
    off_t left = status.st_size;
    do {
        struct piece *piece = add(name, status.st_mtim);
        piece->length = left < BATCH ? (size_t)left : BATCH;
        if (filled + piece->length > room) exit(2);
        if (read(descriptor, content + filled, piece->length) != (ssize_t)piece->length) fail(name);
        filled += piece->length;
        left -= (off_t)piece->length;
        count++;
        name = NULL;
        if (filled - told >= BATCH) tell();
    } while (left > 0);
    close(descriptor);
}

static void walk(int descriptor, const char *path) {
    struct piece *piece = add(path, (struct timespec){0});
    piece->is_directory = 1;
    count++;
    DIR *directory = fdopendir(descriptor);
    if (!directory) fail(path);
    char below[PATH_MAX];
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        int opened = openat(descriptor, entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        if (opened < 0) fail(entry->d_name);
        if (entry->d_type == DT_DIR) {
            snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
            walk(opened, below);
        } else {
            take(opened, entry->d_name);
        }
    }
    closedir(directory);
}

/* One flush of the whole file system at a time, for which nobody waits. */
static struct {
    int descriptor;
    atomic_int is_under_way;
    pthread_t thread;
    int was_begun;
} early;

static void *flush(void *nothing) {
    syncfs(early.descriptor);
    atomic_store(&early.is_under_way, 0);
    return nothing;
}

static void begin_flush(void) {
    if (atomic_load(&early.is_under_way)) return;
    if (early.was_begun) pthread_join(early.thread, NULL);
    atomic_store(&early.is_under_way, 1);
    early.was_begun = !pthread_create(&early.thread, NULL, flush, NULL);
}

static void finish(int file, const struct piece *piece) {
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, piece->modified};
    if (futimens(file, times) < 0) fail("futimens");
    close(file);
}

static void write_all(int number, int incoming, const char *path, int is_tree, size_t step) {
    int parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), place = parent, file = -1, ready = 0;
    if (parent < 0) fail(path);
    early.descriptor = parent;
    size_t written = 0, position = 0;
    const struct piece *first = NULL;
    for (int index = 0; read(incoming, &ready, sizeof ready) == sizeof ready;) {
        for (; index < ready; index++) {
            const struct piece *piece = &shared->pieces[index];
            if (piece->is_directory) {
                if (place != parent) close(place);
                if (mkdirat(parent, piece->name, 0755) < 0) fail(piece->name);
                place = openat(parent, piece->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                continue;
            }
            if (piece->name) {
                if (file >= 0) finish(file, first);
                file = openat(place, piece->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
                if (file < 0) fail(piece->name);
                first = piece;
                position = 0;
            }
            if (pwrite(file, content + piece->offset, piece->length, (off_t)position) != (ssize_t)piece->length) fail("write");
            if (!is_tree) sync_file_range(file, (off_t)position, (off_t)piece->length, SYNC_FILE_RANGE_WRITE);
            position += piece->length;
            written += piece->length;
            if (is_tree && step && written >= step) {
                written = 0;
                begin_flush();
            }
        }
    }
    if (early.was_begun) pthread_join(early.thread, NULL);
    double began = now();
    if (is_tree && syncfs(parent) < 0) fail("syncfs");
    if (file >= 0) {
        if (!is_tree && fsync(file) < 0) fail("fsync");
        finish(file, first);
    }
    if (renameat(parent, shared->pieces[0].name, parent, "done") < 0 || fsync(parent) < 0) fail("rename");
    shared->flushed[number] = now() - began;
}

int main(int arguments, char **values) {
    struct stat status;
    if (arguments < 4 || arguments - 3 > WRITERS || stat(values[1], &status) < 0) {
        fputs("usage: files SOURCE MEBIBYTES DIRECTORY...\n", stderr);
        return 2;
    }
    shared = map(sizeof *shared);
    room = S_ISDIR(status.st_mode) ? (size_t)512 * MIB : (size_t)status.st_size;
    content = map(room);
    for (int index = 3; index < arguments; index++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0) fail("pipe");
        if (fork() == 0) {
            while (writers > 0) close(pipes[--writers]);
            close(ends[1]);
            write_all(index - 3, ends[0], values[index], S_ISDIR(status.st_mode), (size_t)atoi(values[2]) * MIB);
            exit(0);
        }
        close(ends[0]);
        pipes[writers++] = ends[1];
    }
    double began = now(), before = used(RUSAGE_SELF);
    int source = open(values[1], O_RDONLY | O_CLOEXEC);
    if (source < 0) fail(values[1]);
    if (S_ISDIR(status.st_mode)) walk(source, "tree");
    else take(source, "file");
    tell();
    for (int index = 0; index < writers; index++) close(pipes[index]);
    int failures = 0;
    for (int end; wait(&end) > 0;) failures += end != 0;
    double longest = 0;
    for (int index = 0; index < writers; index++) longest = shared->flushed[index] > longest ? shared->flushed[index] : longest;
    printf("{\"seconds\": %.3f, \"cpu\": %.3f, \"last_flush\": %.3f}\n", now() - began, used(RUSAGE_SELF) - before + used(RUSAGE_CHILDREN),
           longest);
    return failures > 0;
}
