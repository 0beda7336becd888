/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A raw disk image: a regular file or a block device, opened, checked and locked against other users. Images are untrusted only in that
 * they may shrink or fail at any time: they are read with read calls, never mapped.
 */
#ifndef NIDUS_BLK_IMAGE_H
#define NIDUS_BLK_IMAGE_H

#include <sys/types.h>

#include "vmm/bits.h"

struct disk_cfg;

struct blk_image {
	int fd;
	int lock_fd;        /* holds the lock; no I/O goes through it */
	u64 sectors;        /* of 512 bytes */
	u32 physical_bytes; /* block size the host works with: a power of two, 512 or more */
	bool ro;
	dev_t dev;          /* which file it is, under whatever name */
	ino_t ino;
};

/*
 * 0, or EXIT_NOINPUT or EXIT_HOST after one log_error line: missing, no permission, of another kind, empty, in use. An open file description lock is held
 * (shared for read-only use) until blk_image_close().
 */
int blk_image_open(const struct disk_cfg *cfg, struct blk_image *img) __must_check;
/* Gives the lock back. On a struct with fd and lock_fd -1 it does nothing. */
void blk_image_close(struct blk_image *img);

#endif
