/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library to preload: of the calls on VFIO's and iommufd's files, counted from 1, the one whose number is in FAIL_AT fails with EIO and never
 * reaches the kernel. Its name is then in the file FAIL_TOLD. Calls are ioctls, opening the files, and access to a device's regions.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REGION_SHIFT 40 /* of a region's number in an offset */

static unsigned long calls;
static int device = -2; /* its file; the tests assign one */

static int fails(const char *what, unsigned long nr)
{
	const char *at = getenv("FAIL_AT"), *told = getenv("FAIL_TOLD");
	FILE *f;

	if (!at || !told || __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) != strtoul(at, NULL, 0))
		return 0;
	f = fopen(told, "w");
	if (f) {
		fprintf(f, "%s %lu\n", what, nr);
		fclose(f);
	}
	errno = EIO;
	return 1;
}

int ioctl(int fd, unsigned long req, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, req);
	arg = va_arg(ap, void *);
	va_end(ap);
	return _IOC_TYPE(req) == ';' && fails("ioctl", _IOC_NR(req)) ? -1 : (int)syscall(SYS_ioctl, fd, req, arg);
}

int open64(const char *path, int flags, ...)
{
	int fd, vfio = strncmp(path, "/dev/vfio/", 10) == 0;
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	if ((vfio || strcmp(path, "/dev/iommu") == 0) && fails(path, 0))
		return -1;
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (vfio)
		device = fd;
	return fd;
}

ssize_t pread64(int fd, void *buf, size_t len, off64_t off)
{
	return fd == device && fails("read of region", (unsigned long)(off >> REGION_SHIFT)) ? -1 : syscall(SYS_pread64, fd, buf, len, off);
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t off)
{
	return fd == device && fails("write to region", (unsigned long)(off >> REGION_SHIFT)) ? -1 : syscall(SYS_pwrite64, fd, buf, len, off);
}

void *mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t off)
{
	if (fd == device && fails("mapping of region", (unsigned long)(off >> REGION_SHIFT)))
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, off);
}
