#include "check.h"
#include <dirent.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static int new_file(const char *path) { return open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600); }

static void contents(void) {
    int fd = new_file("/tmp/contents"), other = new_file("/tmp/other");
    char text[8] = "";
    struct iovec data = {text, 4};
    CHECK(fd >= 0 && write(fd, "contents", 8) == 8 && lseek(fd, 0, SEEK_SET) == 0);
    CHECK(pread(fd, text, 4, 4) == 4 && !strcmp(text, "ents") && pwrite(fd, text, 4, 4) == 4);
    CHECK(readv(fd, &data, 1) == 4 && writev(fd, &data, 1) == 4);
    CHECK(preadv(fd, &data, 1, 0) == 4 && pwritev(fd, &data, 1, 0) == 4);
    CHECK(syscall(SYS_preadv2, fd, &data, 1, 0, 0, 0) == 4);
    CHECK(syscall(SYS_pwritev2, fd, &data, 1, 0, 0, 0) == 4);
    CHECK(sendfile(other, fd, &(off_t){0}, 8) == 8);
    CHECK(copy_file_range(fd, &(off_t){0}, other, NULL, 8, 0) == 8);
    CHECK(fallocate(fd, 0, 0, 1 << 20) == 0);
    CHECK(fallocate(fd, 3 /* PUNCH_HOLE, KEEP_SIZE */, 0, 4096) == 0);
    CHECK((errno = posix_fallocate(fd, 0, 2 << 20)) == 0);
    CHECK(lseek(fd, 0, SEEK_DATA) >= 0 && lseek(fd, 0, SEEK_HOLE) >= 0);
    CHECK(ftruncate(fd, 8) == 0 && truncate("/tmp/contents", 4) == 0);
    CHECK((errno = posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL)) == 0);
    CHECK(readahead(open("/proc/self/exe", O_RDONLY), 0, 4096) == 0 || errno == EINVAL /* of a tmpfs */);
    CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && syncfs(fd) == 0);
    CHECK(sync_file_range(fd, 0, 0, 7) == 0);
    sync();
    close(fd), close(other);
}

static void locks(void) {
    int fd = new_file("/tmp/locked");
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    CHECK(flock(fd, LOCK_EX | LOCK_NB) == 0 && flock(fd, LOCK_UN) == 0);
    CHECK(lockf(fd, F_TLOCK, 8) == 0);
    CHECK(fcntl(fd, F_SETLK, &lock) == 0 && fcntl(fd, F_GETLK, &lock) == 0);
    lock = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 1};
    CHECK(fcntl(fd, F_OFD_SETLK, &lock) == 0);
    CHECK(fcntl(fd, F_SETOWN, getpid()) == 0);
    close(fd);
}

static void names(void) {
    char text[64] = "";
    CHECK(mkdir("/tmp/names", 0755) == 0 && chdir("/tmp/names") == 0 && getcwd(text, sizeof text));
    int here = open(".", O_DIRECTORY | O_RDONLY);
    CHECK(close(new_file("one")) == 0 && link("one", "two") == 0 && symlink("one", "three") == 0);
    CHECK(readlink("three", text, sizeof text) == 3 && realpath("three", text) && fchdir(here) == 0);
    CHECK(rename("two", "four") == 0);
    CHECK(syscall(SYS_renameat2, here, "four", here, "one", 2 /* RENAME_EXCHANGE */) == 0);
    CHECK(mkdirat(here, "inner", 0700) == 0 && unlinkat(here, "inner", AT_REMOVEDIR) == 0);
    CHECK(mknod("five", S_IFREG | 0600, 0) == 0 && unlink("five") == 0);
    CHECK(access("one", R_OK) == 0 && faccessat(here, "one", W_OK, AT_EACCESS) == 0);
    CHECK(syscall(SYS_faccessat2, here, "one", R_OK, AT_SYMLINK_NOFOLLOW) == 0);
    uint64_t how[3] = {O_RDONLY, 0, 8 /* RESOLVE_BENEATH */};
    CHECK(syscall(SYS_openat2, here, "one", how, sizeof how) >= 0);
    // A file that gets its name late.
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);
    snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
    CHECK(fd >= 0 && linkat(AT_FDCWD, text, here, "late", AT_SYMLINK_FOLLOW) == 0);
    int entries = 0;
    DIR *directory = opendir(".");
    while (directory && readdir(directory)) entries++;
    CHECK(entries == 6 && closedir(directory) == 0);
    CHECK(mkdtemp(strcpy(text, "/tmp/XXXXXX")) && rmdir(text) == 0 && chdir("/") == 0);
    close(fd), close(here);
}

static void attributes(void) {
    struct stat status;
    struct statfs system;
    struct statvfs also;
    char space[256];
    int fd = new_file("/tmp/attributes");
    CHECK(stat("/tmp/attributes", &status) == 0 && lstat("/bin", &status) == 0 && fstat(fd, &status) == 0);
    CHECK(fstatat(fd, "", &status, AT_EMPTY_PATH) == 0);
    CHECK(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0x7ff, space) == 0);
    CHECK(statfs("/tmp", &system) == 0 && fstatfs(fd, &system) == 0 && statvfs("/usr", &also) == 0);
    CHECK(chmod("/tmp/attributes", 0640) == 0 && fchmod(fd, 0600) == 0 && umask(022) == 022);
    CHECK(chown("/tmp/attributes", getuid(), getgid()) == 0 && fchown(fd, -1, -1) == 0);
    CHECK(lchown("/tmp/attributes", -1, getgid()) == 0 && fchownat(fd, "", -1, -1, AT_EMPTY_PATH) == 0);
    CHECK(utimensat(AT_FDCWD, "/tmp/attributes", NULL, 0) == 0 && futimens(fd, NULL) == 0);
    CHECK(listxattr("/tmp/attributes", space, sizeof space) >= 0 && flistxattr(fd, space, sizeof space) >= 0);
    CHECK(getxattr("/tmp/attributes", "user.x", space, 1) < 0 && (errno == ENODATA || errno == EOPNOTSUPP));
    CHECK(setxattr("/tmp/attributes", "user.x", "y", 1, 0) == 0 || errno == EOPNOTSUPP);
    CHECK(fgetxattr(fd, "security.capability", space, 1) < 0 && errno == ENODATA);
    CHECK(ioctl(fd, FIOCLEX) == 0);
    close(fd);
}

void files(void) {
    contents();
    locks();
    names();
    attributes();
}
