// Descriptors for what happens to a process, threads' names and timers.
#define _GNU_SOURCE
#include "CLinux.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <sys/timex.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

static int argument_count;
static char **arguments;

// glibc hands them to constructors, of static programs too.
__attribute__((constructor)) static void keep_arguments(int count, char **values) {
    argument_count = count;
    arguments = values;
}
const char *rmcp_argument(int index) { return index >= 0 && index < argument_count ? arguments[index] : NULL; }

int rmcp_event_descriptor(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

int rmcp_signal_is_ignored(int number) {
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}
int rmcp_signal_descriptor(const int *numbers, unsigned count) {
    sigset_t set;
    sigemptyset(&set);
    for (unsigned i = 0; i < count; i++) sigaddset(&set, numbers[i]);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

// The last line of a process that a signal ends. Made before, since a handler may do next to nothing.
static char last_line[1024];
static unsigned last_length, time_offset;

static void put_digits(char *place, long value, int count) {
    for (; count > 0; value /= 10) place[--count] = (char)('0' + value % 10);
}

// Time as Units.timestamp writes it: days are turned into dates as there.
static void put_time(char *place) {
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    long days = now.tv_sec / 86400 + 719468, seconds = now.tv_sec % 86400;
    long era = days / 146097, day = days % 146097;
    long year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    long of_year = day - (365 * year + year / 4 - year / 100);
    long month = (5 * of_year + 2) / 153, number = month < 10 ? month + 3 : month - 9;
    put_digits(place, year + era * 400 + (number <= 2), 4);
    put_digits(place + 5, number, 2);
    put_digits(place + 8, of_year - (153 * month + 2) / 5 + 1, 2);
    put_digits(place + 11, seconds / 3600, 2);
    put_digits(place + 14, seconds / 60 % 60, 2);
    put_digits(place + 17, seconds % 60, 2);
    put_digits(place + 20, now.tv_nsec / 1000000, 3);
}

static void say_last_line(int number) {
    (void)number;
    put_time(last_line + time_offset);
    // The process ends, whatever becomes of it.
    if (write(STDOUT_FILENO, last_line, last_length) < 0) _exit(130);
    _exit(130);
}

void rmcp_end_with_line(const int *numbers, unsigned count, const char *line, unsigned length, unsigned offset) {
    if (length > sizeof last_line || offset + 24 > length) return;
    memcpy(last_line, line, length);
    last_length = length;
    time_offset = offset;
    struct sigaction action = {.sa_handler = say_last_line};
    sigfillset(&action.sa_mask);
    for (unsigned i = 0; i < count; i++) sigaction(numbers[i], &action, NULL);
}

int rmcp_take_signal(int descriptor) {
    struct signalfd_siginfo info;
    return read(descriptor, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

int rmcp_clock_is_synchronised(void) {
    struct timex time = {0};
    return adjtimex(&time) >= 0 && !(time.status & STA_UNSYNC);
}

void rmcp_name_thread(const char *name) {
    char shortened[16] = {0};
    strncpy(shortened, name, sizeof shortened - 1);
    pthread_setname_np(pthread_self(), shortened);
}

void rmcp_limit_arenas(int count) {
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, count);
#endif
}

void rmcp_keep_freed_memory(int bytes) {
#ifdef M_TRIM_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, bytes);
    mallopt(M_TRIM_THRESHOLD, bytes);
#endif
}

int rmcp_set_timer_slack(unsigned long nanoseconds) { return prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0); }
int rmcp_ppoll(struct pollfd *descriptors, unsigned long count, const struct timespec *timeout) {
    return ppoll(descriptors, count, timeout, NULL);
}

int rmcp_process_descriptor(int process) { return (int)syscall(SYS_pidfd_open, process, 0); }
