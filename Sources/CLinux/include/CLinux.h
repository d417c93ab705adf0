// What Glibc's Swift overlay hides or cannot express: batched datagram calls with control messages, file-space calls,
// and constants of newer kernels. No decisions: each function is one system call or one macro, or what several of them are for. The
// exception is rmcp_end_with_line, whose signal handler writes a date: Swift code in a handler may allocate.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <netinet/in.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <time.h>
#include <poll.h>

#define RMCP_FALLOC_FL_KEEP_SIZE 0x01
#define RMCP_FALLOC_FL_PUNCH_HOLE 0x02

int rmcp_fallocate(int descriptor, int mode, long offset, long length);
// sync_file_range(2) that begins to write a range to the disk, and waits for nothing; -1 and errno.
int rmcp_begin_flush(int descriptor, long offset, long length);
// Has the processor bring in memory that is written to next, while it does something else.
// Where a line is longer than 64 bytes, it is asked for twice.
#define RMCP_CACHE_LINE 64
static inline void rmcp_prefetch_for_write(const void *start, size_t length) {
    for (size_t offset = 0; offset < length; offset += RMCP_CACHE_LINE) __builtin_prefetch((const char *)start + offset, 1, 3);
}
int rmcp_o_tmpfile(void);
int rmcp_o_path(void);
int rmcp_seek_data(void);
int rmcp_seek_hole(void);
// Flags of a name itself, not of what a link leads to; "" is the directory. -1 and errno where it cannot be asked.
#define RMCP_IMMUTABLE 1
#define RMCP_APPEND_ONLY 2
#define RMCP_MOUNT_POINT 4
int rmcp_name_attributes(int directory, const char *name);
// openat2(2) that stays below the directory and goes through no symbolic link; -1 and errno.
int rmcp_open_beneath(int directory, const char *path, int flags);
// The magic number of statfs(2); -1 and errno.
long rmcp_file_system_kind(int descriptor);
// 1 where a block device takes no writes.
int rmcp_block_device_is_read_only(int descriptor);
// The root of the control groups, mounted nowhere: those of a controller, or of version 2 for NULL; -1 and errno.
int rmcp_open_control_groups(const char *controller);
// Size of a block device in bytes; -1 and errno otherwise.
long rmcp_block_device_size(int descriptor);
// openat2(2) that stays below the directory: through no symbolic link and into no other file system; -1 and errno.
int rmcp_open_confined(int directory, const char *name, int flags, unsigned mode);
// Mode of a name itself; -1 and ELOOP for a symbolic link.
int rmcp_set_mode(int directory, const char *name, unsigned mode);
// renameat2(2).
#define RMCP_RENAME_NOREPLACE 1
#define RMCP_RENAME_EXCHANGE 2
int rmcp_rename(int directory, const char *name, int new_directory, const char *new_name, unsigned flags);
// Makes one file share the blocks of another (FICLONE).
int rmcp_clone(int target, int source);
// Flushes the file system that the descriptor is in (syncfs(2)).
int rmcp_flush_file_system(int descriptor);

// Socket options; 0 or -1 and errno.
int rmcp_set_integer_option(int descriptor, int level, int name, int value);
int rmcp_get_integer_option(int descriptor, int level, int name, int *value);
int rmcp_enable_gro(int descriptor);
int rmcp_enable_overflow_count(int descriptor);
// Tells with each datagram what was left of its time to live.
int rmcp_set_received_ttl(int descriptor, int family, int is_on);
// Tells with each datagram when the kernel got it, on the real-time clock.
int rmcp_set_arrival_times(int descriptor, int is_on);
// When the kernel got the datagram that was read last; -1 where that is not known. For a socket that once told with each.
int rmcp_last_arrival(int descriptor, int64_t *seconds, int64_t *nanoseconds);
// Bytes that waiting datagrams take, the kernel's overhead included, and how many may.
int rmcp_socket_memory(int descriptor, uint32_t *used, uint32_t *limit);
int rmcp_set_forced_receive_buffer(int descriptor, int bytes);
// For queueing disciplines that pace (fq); others take no notice.
int rmcp_set_pacing_rate(int descriptor, uint64_t bytes_per_second);
int rmcp_set_do_not_fragment(int descriptor, int family);
// The opposite: what is longer than the path carries is cut up.
int rmcp_allow_fragments(int descriptor, int family);
int rmcp_set_multicast_interface(int descriptor, int family, unsigned index, uint32_t address);
int rmcp_set_multicast_ttl(int descriptor, int family, int ttl);
int rmcp_set_multicast_loop(int descriptor, int family, int enabled);
int rmcp_set_multicast_all(int descriptor, int family, int enabled);
// `group` is 4 or 16 bytes in network order; `join` 1 to join, 0 to leave.
int rmcp_multicast_membership(int descriptor, int family, const void *group, unsigned index, int join);

// One sendmsg. `segment` above 0 asks for UDP_SEGMENT: the datagram is cut into pieces of that many bytes.
ssize_t rmcp_send(int descriptor, const struct sockaddr *address, socklen_t length, struct iovec *vector, size_t count,
                  uint16_t segment);

// What recvmmsg filled into one buffer.
struct rmcp_received {
    struct sockaddr_storage address;
    uint32_t length;
    // Bytes of each datagram that was coalesced into the buffer; 0 when it is a single one.
    uint32_t segment;
    // Datagrams that the socket has dropped for want of room, since it was opened; wraps.
    uint32_t overflow;
    uint32_t has_overflow;
    uint32_t truncated;
    // What was left of the time to live; -1 where it is not told.
    int32_t ttl;
    // When the kernel got the first of them, since 1970; 0 where it is not told.
    int64_t arrival_seconds;
    int64_t arrival_nanoseconds;
};

// Receives into up to 64 buffers of `stride` bytes each that lie behind one another; the number received or -1.
int rmcp_receive(int descriptor, void *slab, size_t stride, unsigned buffers, struct rmcp_received *received);

// Argument of the program by its index, its name at 0; NULL beyond the last. As the kernel gave them to it: what Swift knows of
// them it reads from /proc, which a chroot may lack.
const char *rmcp_argument(int index);
// Non-blocking, closed on exec; -1 and errno.
int rmcp_event_descriptor(void);
int rmcp_signal_is_ignored(int number);
// Has each of these signals end the process with 130, after `line` is written to standard output: with the time in the 24 bytes from
// `offset` on, as 2026-11-24T09:30:05.123Z. Nothing is done where `line` has more than 1,024 bytes.
void rmcp_end_with_line(const int *numbers, unsigned count, const char *line, unsigned length, unsigned offset);
// A descriptor that becomes readable on these signals, which are blocked in the calling thread.
int rmcp_signal_descriptor(const int *numbers, unsigned count);
// Takes one signal from it; 0 when there is none.
int rmcp_take_signal(int descriptor);
// Becomes readable when the process ends, closed on exec; -1 and errno (ENOSYS before Linux 5.3).
int rmcp_process_descriptor(int process);
// 1 where the kernel was told that somebody keeps its clock right (adjtimex).
int rmcp_clock_is_synchronised(void);
// Names the calling thread; the kernel keeps 15 bytes.
void rmcp_name_thread(const char *name);
// Arenas of the allocator that threads share, in place of having one each.
void rmcp_limit_arenas(int count);
// Has the allocator keep what is freed, up to so many bytes for each of its arenas, instead of giving it back to the
// kernel, which would clear it page by page for whoever needs it next.
void rmcp_keep_freed_memory(int bytes);
int rmcp_set_timer_slack(unsigned long nanoseconds);
int rmcp_ppoll(struct pollfd *descriptors, unsigned long count, const struct timespec *timeout);
// Takes a connection that does not block and is closed on exec; -1 and errno.
int rmcp_accept(int descriptor);
// MTU of an interface; -1 and errno.
int rmcp_interface_mtu(const char *name);
