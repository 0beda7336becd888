/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/blk_image.h"
#include "vmm/config.h"
#include "vmm/host_error.h"
#include "vmm/log.h"

#define SECTOR 512
/* O_NONBLOCK: opening a FIFO must not wait for its other end. */
#define OPEN_FLAGS(ro) (((ro) ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static int open_errno(const char *path, int err)
{
	if (err == EISDIR)
		log_error("--disk %s: a directory, not a disk image", path);
	else if (err == ENXIO)
		log_error("--disk %s: neither a regular file nor a block device", path);
	else if (err == EACCES || err == EROFS || err == EPERM)
		log_error("--disk %s: %s: give access to it, or add ,ro if it is only to be read", path, strerror(err));
	else
		log_error("--disk %s: %s", path, host_error_text(-err));
	return host_error_status(-err);
}

static int open_fd(const struct disk_cfg *cfg, int *out)
{
	int fd, flags;

	if (cfg->file.fd >= 0)
		fd = fcntl(cfg->file.fd, F_DUPFD_CLOEXEC, 0);
	else
		fd = open(cfg->file.path, OPEN_FLAGS(cfg->ro));
	if (fd < 0)
		return open_errno(cfg->file.path, errno);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY || (!cfg->ro && (flags & O_ACCMODE) != O_RDWR)) {
		log_error("--disk %s: the inherited descriptor is not open for %s", cfg->file.path, cfg->ro ? "reading" : "reading and writing: add ,ro");
		close(fd);
		return EXIT_NOINPUT;
	}
	*out = fd;
	return 0;
}

/* Sizes and kind. 0 or EXIT_NOINPUT. */
static int inspect(const char *path, struct blk_image *img)
{
	unsigned physical = 4096;
	u64 bytes = 0;
	struct stat st;

	if (fstat(img->fd, &st) < 0)
		return open_errno(path, errno);
	if (S_ISREG(st.st_mode)) {
		bytes = (u64)st.st_size;
	} else if (S_ISBLK(st.st_mode)) {
		if (ioctl(img->fd, BLKGETSIZE64, &bytes) < 0)
			return open_errno(path, errno);
		if (ioctl(img->fd, BLKPBSZGET, &physical) < 0 || physical < SECTOR || (physical & (physical - 1)))
			physical = SECTOR;
	} else {
		return open_errno(path, S_ISDIR(st.st_mode) ? EISDIR : ENXIO);
	}
	if (bytes < SECTOR) {
		log_error("--disk %s: the image is %s", path, bytes ? "smaller than one sector of 512 bytes" : "empty");
		return EXIT_NOINPUT;
	}
	if (bytes % SECTOR)
		log_warn("--disk %s: the size is not a multiple of 512 bytes: the guest does not see the last %llu", path, (unsigned long long)(bytes % SECTOR));
	img->sectors = bytes / SECTOR;
	img->physical_bytes = physical;
	img->dev = st.st_dev;
	img->ino = st.st_ino;
	/* A block device is the same one under every node that names it. */
	if (S_ISBLK(st.st_mode)) {
		img->dev = st.st_rdev;
		img->ino = 0;
	}
	return 0;
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/*
 * The lock sits on an open file of its own: io_uring lets go of a registered file some time after the process has ended, and a VM started
 * again at once would find its disk still locked. An inherited descriptor cannot be opened again; there the lock is shared with its giver.
 */
static int lock(const struct disk_cfg *cfg, struct blk_image *img)
{
	struct flock fl = { .l_type = img->ro ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };
	const char *path = cfg->file.path;

	if (cfg->file.fd >= 0)
		img->lock_fd = fcntl(img->fd, F_DUPFD_CLOEXEC, 0);
	else
		img->lock_fd = open(path, OPEN_FLAGS(img->ro));
	if (img->lock_fd < 0)
		return open_errno(path, errno);
	if (!same_file(img->fd, img->lock_fd)) {
		log_error("--disk %s: replaced by another file while it was opened: start again", path);
		return EXIT_NOINPUT;
	}
	if (fcntl(img->lock_fd, F_OFD_SETLK, &fl) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES) {
		log_warn("--disk %s: cannot be locked (%s): nothing keeps another VM from using it too", path, strerror(errno));
		return 0;
	}
	log_error("--disk %s: in use by another nidus or another VM, or given twice%s", path,
		  img->ro ? "" : ": use a copy, or add ,ro to all of them if it is only to be read");
	return EXIT_NOINPUT;
}

int blk_image_open(const struct disk_cfg *cfg, struct blk_image *img)
{
	int status, flags;

	*img = (struct blk_image){ .fd = -1, .lock_fd = -1, .ro = cfg->ro };
	status = open_fd(cfg, &img->fd);
	if (status)
		return status;
	status = inspect(cfg->file.path, img);
	if (!status)
		status = lock(cfg, img);
	/* Left on, io_uring would answer EAGAIN instead of waiting for the disk. */
	if (!status) {
		flags = fcntl(img->fd, F_GETFL);
		if (flags < 0 || fcntl(img->fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
			status = open_errno(cfg->file.path, errno);
	}
	if (status)
		blk_image_close(img);
	return status;
}

void blk_image_close(struct blk_image *img)
{
	struct flock fl = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (img->lock_fd >= 0) {
		/* Also where the descriptor's giver still has it open. */
		(void)fcntl(img->lock_fd, F_OFD_SETLK, &fl);
		close(img->lock_fd);
	}
	img->lock_fd = -1;
	if (img->fd >= 0)
		close(img->fd);
	img->fd = -1;
}
