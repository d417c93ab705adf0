// What a file system is asked for beyond POSIX.
#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

int rmcp_fallocate(int descriptor, int mode, long offset, long length) {
    return fallocate(descriptor, mode, offset, length);
}
int rmcp_o_tmpfile(void) { return O_TMPFILE; }
int rmcp_seek_data(void) { return SEEK_DATA; }
int rmcp_seek_hole(void) { return SEEK_HOLE; }

long rmcp_block_device_size(int descriptor) {
    uint64_t size = 0;
    return ioctl(descriptor, BLKGETSIZE64, &size) == 0 ? (long)size : -1;
}
