/* measure RESULT NETNS COMMAND...: runs a command in a network namespace and writes to RESULT what it used.
 *
 * Rather than the benchmark's own child: the highest resident memory that wait4 tells includes what a process was
 * before exec, which is the whole interpreter when that one forks. This one is small. Memory is that of the process or
 * of the largest child that it waited for. Signals that end this program are passed on.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile pid_t child;

static void pass_on(int number) {
    if (child > 0) kill(child, number);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

static void enter(const char *namespace) {
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", namespace);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || setns(descriptor, CLONE_NEWNET) < 0) {
        perror(path);
        exit(127);
    }
}

int main(int count, char **arguments) {
    if (count < 4) {
        fputs("usage: measure RESULT NETNS COMMAND...\n", stderr);
        return 2;
    }
    enter(arguments[2]);
    struct sigaction action = {.sa_handler = pass_on};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pid_t self = getpid();
    double began = now();
    child = fork();
    if (child == 0) {
        /* Killed when this one is, so that nothing is ever left behind. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != self) _exit(127);
        signal(SIGTERM, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        execvp(arguments[3], arguments + 3);
        perror(arguments[3]);
        _exit(127);
    }
    int status;
    struct rusage usage;
    while (wait4(child, &status, 0, &usage) < 0) continue;
    double ended = now();
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    FILE *result = fopen(arguments[1], "w");
    if (!result) {
        perror(arguments[1]);
        return 127;
    }
    fprintf(result, "{\"status\": %d, \"began\": %.6f, \"ended\": %.6f, \"user\": %.6f, \"system\": %.6f, \"peak_kib\": %ld}\n", code,
            began, ended, seconds(usage.ru_utime), seconds(usage.ru_stime), usage.ru_maxrss);
    fclose(result);
    return code;
}
