// What a file system is asked for beyond POSIX.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <sys/syscall.h>
#include <unistd.h>

int rmcp_fallocate(int descriptor, int mode, long offset, long length) {
    return fallocate(descriptor, mode, offset, length);
}
int rmcp_begin_flush(int descriptor, long offset, long length) {
    return sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE);
}
int rmcp_o_tmpfile(void) { return O_TMPFILE; }
int rmcp_o_path(void) { return O_PATH; }
int rmcp_seek_data(void) { return SEEK_DATA; }
int rmcp_seek_hole(void) { return SEEK_HOLE; }

#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x00002000
#endif

int rmcp_name_attributes(int directory, const char *name) {
    struct statx status;
    if (statx(directory, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_TYPE, &status) != 0) return -1;
    return (status.stx_attributes & STATX_ATTR_IMMUTABLE ? RMCP_IMMUTABLE : 0) |
        (status.stx_attributes & STATX_ATTR_APPEND ? RMCP_APPEND_ONLY : 0) |
        (status.stx_attributes & STATX_ATTR_MOUNT_ROOT ? RMCP_MOUNT_POINT : 0);
}
int rmcp_open_beneath(int directory, const char *path, int flags) {
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}
long rmcp_file_system_kind(int descriptor) {
    struct statfs status;
    return fstatfs(descriptor, &status) == 0 ? (long)status.f_type : -1;
}
int rmcp_block_device_is_read_only(int descriptor) {
    int flag = 0;
    return ioctl(descriptor, BLKROGET, &flag) == 0 && flag != 0;
}

long rmcp_block_device_size(int descriptor) {
    uint64_t size = 0;
    return ioctl(descriptor, BLKGETSIZE64, &size) == 0 ? (long)size : -1;
}

#ifndef SYS_fsopen
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif

int rmcp_open_control_groups(const char *controller) {
    int context = (int)syscall(SYS_fsopen, controller ? "cgroup" : "cgroup2", 1 /* FSOPEN_CLOEXEC */);
    if (context < 0) return -1;
    int root = -1;
    if (!controller || syscall(SYS_fsconfig, context, 0 /* FSCONFIG_SET_FLAG */, controller, NULL, 0) == 0)
        if (syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) == 0)
            root = (int)syscall(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, 0);
    close(context);
    return root;
}

int rmcp_open_confined(int directory, const char *name, int flags, unsigned mode) {
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    return (int)syscall(SYS_openat2, directory, name, &how, sizeof how);
}
// fchmodat2(2), by its number, which is one for all architectures: the C library may be older.
#define FCHMODAT2 452

int rmcp_set_mode(int directory, const char *name, unsigned mode) {
    // fchmodat(3) follows links with older C libraries, whatever they are asked. A descriptor of the name itself takes no mode but by its path.
    int opened = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (opened < 0) return -1;
    struct stat status;
    int result = fstat(opened, &status);
    if (result == 0 && S_ISLNK(status.st_mode)) {
        errno = ELOOP;
        result = -1;
    }
    if (result == 0) {
        char path[sizeof "/proc/self/fd/" + 3 * sizeof opened];
        snprintf(path, sizeof path, "/proc/self/fd/%d", opened);
        result = chmod(path, mode);
        // There may be no /proc, as in a chroot.
        if (result != 0 && errno == ENOENT) result = (int)syscall(FCHMODAT2, directory, name, mode, AT_SYMLINK_NOFOLLOW);
    }
    int code = errno;
    close(opened);
    errno = code;
    return result;
}
int rmcp_rename(int directory, const char *name, int new_directory, const char *new_name, unsigned flags) {
    return renameat2(directory, name, new_directory, new_name, flags);
}
int rmcp_clone(int target, int source) { return ioctl(target, FICLONE, source); }
int rmcp_flush_file_system(int descriptor) { return syncfs(descriptor); }
