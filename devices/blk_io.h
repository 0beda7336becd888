/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous file I/O for disks: io_uring with a ring that may do nothing but read, write, sync and fallocate one registered file; where
 * io_uring is forbidden, one worker thread.
 *
 * No function locks: the caller's device lock is held around all of them (the worker has its own lock inside). Nothing is allocated after
 * blk_io_create(). A request belongs to the engine from blk_io_queue() until blk_io_next_done() returns it.
 */
#ifndef NIDUS_BLK_IO_H
#define NIDUS_BLK_IO_H

#include <sys/uio.h>

#include "vmm/bits.h"

struct blk_io;
struct event;

enum blk_op {
	BLK_READ,
	BLK_WRITE,
	BLK_WRITE_SYNC, /* on stable storage when it completes */
	BLK_FLUSH,
	BLK_PUNCH,      /* deallocates; the range reads zero */
	BLK_ZERO,       /* zeroes, stays allocated */
};

struct blk_req {
	enum blk_op op;
	u64 off, len;       /* bytes; len is the sum of the iovecs for reads and writes */
	struct iovec *iov;  /* used up by the engine */
	unsigned n_iov;
	int res;            /* when done: 0, or -errno (-EIO also for a file that ended early) */
	/* the engine's */
	struct blk_req *next;
	unsigned tries;
};

struct blk_io_cfg {
	struct event *ev;
	int fd;             /* the caller's, open until blk_io_destroy() */
	unsigned depth;     /* most requests queued at a time, a power of two */
	bool use_thread;    /* do not try io_uring */
	/* Requests are done: called on the event thread without the device's lock; the callee collects them with blk_io_next_done(). */
	void (*ready)(void *arg);
	void *arg;
};

/* 0 or -errno. If io_uring is not allowed here it says so once and uses a thread. */
int blk_io_create(const struct blk_io_cfg *cfg, struct blk_io **out) __must_check;
/* Waits for what is in flight. Requests not collected are forgotten. */
void blk_io_destroy(struct blk_io *io);

/* Takes a request; it starts with the next blk_io_submit() at the latest. */
void blk_io_queue(struct blk_io *io, struct blk_req *r);
/* Starts all that was queued. */
void blk_io_submit(struct blk_io *io);
/* Has cfg.ready called soon, whether or not anything is done. */
void blk_io_wake(struct blk_io *io);
/* A request that is done, or NULL. Short transfers were carried on by the engine. */
struct blk_req *blk_io_next_done(struct blk_io *io);
/* Waits until nothing is in flight; what had not started is cancelled (-ECANCELED). Then blk_io_next_done() has all of them. */
void blk_io_drain(struct blk_io *io);
/* For tests and messages. */
bool blk_io_uses_thread(const struct blk_io *io);

#endif
