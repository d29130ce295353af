/* System calls that fail, for a process that was started with this library preloaded.

   `fault_call` names the call that fails ('\0' for none), `fault_errno` is its error, `fault_skip` how many calls of
   it still succeed. Only files whose name contains "faulty" are concerned. `fault_count` counts failures. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

char fault_call[16];
volatile int fault_errno = EIO, fault_skip = 0, fault_count = 0;

static int fails(const char *call, int fd, const char *path) {
    char link[64], name[4096];
    if (strcmp(fault_call, call) != 0) return 0;
    if (path == NULL) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(link, name, sizeof name - 1);
        if (size < 0) return 0;
        name[size] = 0;
        path = name;
    }
    if (strstr(path, "faulty") == NULL) return 0;
    if (__atomic_fetch_sub(&fault_skip, 1, __ATOMIC_SEQ_CST) > 0) return 0;
    __atomic_fetch_add(&fault_count, 1, __ATOMIC_SEQ_CST);
    errno = fault_errno;
    return 1;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name)

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(pwrite);
    return fails("write", fd, NULL) ? -1 : real(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL(pwrite64);
    return fails("write", fd, NULL) ? -1 : real(fd, data, size, at);
}
ssize_t pread(int fd, void *data, size_t size, off_t at) {
    REAL(pread);
    return fails("read", fd, NULL) ? -1 : real(fd, data, size, at);
}
ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    REAL(pread64);
    return fails("read", fd, NULL) ? -1 : real(fd, data, size, at);
}
int fsync(int fd) {
    REAL(fsync);
    return fails("sync", fd, NULL) ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(fdatasync);
    return fails("sync", fd, NULL) ? -1 : real(fd);
}
int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    return fails("truncate", fd, NULL) ? -1 : real(fd, size);
}
int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    return fails("truncate", fd, NULL) ? -1 : real(fd, size);
}
int unlink(const char *path) {
    REAL(unlink);
    return fails("unlink", -1, path) ? -1 : real(path);
}
void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t from) {
    REAL(mmap64);
    return fd >= 0 && fails("mmap", fd, NULL) ? MAP_FAILED : real(at, size, protection, flags, fd, from);
}
void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t from) {
    REAL(mmap);
    return fd >= 0 && fails("mmap", fd, NULL) ? MAP_FAILED : real(at, size, protection, flags, fd, from);
}
static int opens(int (*real)(const char *, int, ...), const char *path, int flags, int mode) {
    return fails("open", -1, path) ? -1 : real(path, flags, mode);
}
int open(const char *path, int flags, ...) {
    REAL(open);
    va_list rest;
    va_start(rest, flags);
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;
    va_end(rest);
    return opens(real, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list rest;
    va_start(rest, flags);
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;
    va_end(rest);
    return opens(real, path, flags, mode);
}
/* Only taking a lock fails. After an unlock that fails SQLite takes the lock for held by this process until it has closed
   every connection to the file, and a kernel that grants locks gives them back. */
static int locks(const char *call, int fd, int command, const struct flock *lock) {
    return (command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK) && lock->l_type != F_UNLCK
        && fails(call, fd, NULL);
}
int fcntl(int fd, int command, ...) {
    REAL(fcntl);
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return locks("lock", fd, command, argument) ? -1 : real(fd, command, argument);
}
int fcntl64(int fd, int command, ...) {
    REAL(fcntl64);
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return locks("lock", fd, command, argument) ? -1 : real(fd, command, argument);
}
