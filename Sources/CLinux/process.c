// Descriptors for what happens to a process, threads' names and timers.
#define _GNU_SOURCE
#include "CLinux.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
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
