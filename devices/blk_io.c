/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two engines behind blk_io.h. What they share: a list of finished requests, and an eventfd that wakes the event thread for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/blk_io.h"
#include "vmm/event.h"
#include "vmm/log.h"

/* An interrupted transfer is started again this many times; EAGAIN for ever would otherwise keep the event thread busy. */
#define MAX_TRIES 1000

struct blk_list {
	struct blk_req *head, **end;
};

struct blk_io {
	struct blk_io_cfg cfg;
	struct event_src src;
	int evfd;
	unsigned inflight;      /* queued and not yet collected, without those on done */
	struct blk_list done;   /* finished; the worker's under lock */
	bool thread;
	bool draining;
	struct io_uring ring;
	/* the worker's */
	pthread_t worker;
	pthread_mutex_t lock;   /* todo, done, busy, stop */
	pthread_cond_t work, idle;
	struct blk_list todo;
	bool busy, stop;
};

static void list_init(struct blk_list *l)
{
	l->head = NULL;
	l->end = &l->head;
}

static void list_add(struct blk_list *l, struct blk_req *r)
{
	r->next = NULL;
	*l->end = r;
	l->end = &r->next;
}

static struct blk_req *list_take(struct blk_list *l)
{
	struct blk_req *r = l->head;

	if (!r)
		return NULL;
	l->head = r->next;
	if (!l->head)
		l->end = &l->head;
	return r;
}

void blk_io_wake(struct blk_io *io)
{
	const u64 one = 1;

	/* EAGAIN: the counter is full, so the event thread is about to look anyway. */
	if (write(io->evfd, &one, sizeof(one)) < 0)
		return;
}

static int fallocate_mode(enum blk_op op)
{
	return (op == BLK_PUNCH ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE) | FALLOC_FL_KEEP_SIZE;
}

static bool transfers(const struct blk_req *r)
{
	return r->op == BLK_READ || r->op == BLK_WRITE || r->op == BLK_WRITE_SYNC;
}

/* Takes the result of one system call. True if the request is finished, r->res then set; else the rest is to be done. */
static bool step_done(struct blk_req *r, s64 res)
{
	if ((res == -EINTR || res == -EAGAIN) && ++r->tries < MAX_TRIES)
		return false;
	if (res < 0 || !transfers(r)) {
		r->res = res < 0 ? (int)res : 0;
		return true;
	}
	if (!res && r->len) {
		/* The file is shorter than the disk: someone cut it. */
		r->res = -EIO;
		return true;
	}
	r->off += (u64)res;
	r->len -= MIN((u64)res, r->len);
	while (res > 0 && r->n_iov) {
		u64 part = MIN((u64)res, r->iov->iov_len);

		r->iov->iov_base = (char *)r->iov->iov_base + part;
		r->iov->iov_len -= part;
		res -= (s64)part;
		if (!r->iov->iov_len) {
			r->iov++;
			r->n_iov--;
		}
	}
	r->res = 0;
	return !r->len || !r->n_iov;
}

/* --- io_uring --- */

static void finish(struct blk_io *io, struct blk_req *r, int res)
{
	r->res = res;
	io->inflight--;
	list_add(&io->done, r);
}

static void uring_queue(struct blk_io *io, struct blk_req *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);

	if (!sqe) {
		/* More requests than depth. */
		finish(io, r, -EIO);
		blk_io_wake(io);
		return;
	}
	switch (r->op) {
	case BLK_READ:
		io_uring_prep_readv(sqe, 0, r->iov, r->n_iov, r->off);
		break;
	case BLK_WRITE:
	case BLK_WRITE_SYNC:
		io_uring_prep_writev(sqe, 0, r->iov, r->n_iov, r->off);
		sqe->rw_flags = r->op == BLK_WRITE_SYNC ? RWF_DSYNC : 0;
		break;
	case BLK_FLUSH:
		io_uring_prep_fsync(sqe, 0, IORING_FSYNC_DATASYNC);
		break;
	case BLK_PUNCH:
	case BLK_ZERO:
		io_uring_prep_fallocate(sqe, 0, fallocate_mode(r->op), (off_t)r->off, (off_t)r->len);
		break;
	}
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data(sqe, r);
}

static void uring_submit(struct blk_io *io)
{
	/* Completions that come while we submit are collected by the caller right after: no event for them. */
	io_uring_cq_eventfd_toggle(&io->ring, false);
	/* The kernel stops at an entry that it refuses (its completion tells): at most once per entry. */
	for (unsigned i = 0; i < io->cfg.depth && io_uring_sq_ready(&io->ring); i++) {
		int n = io_uring_submit(&io->ring);

		if (n < 0 && n != -EINTR) {
			/* Short of memory for now. */
			blk_io_wake(io);
			break;
		}
	}
	io_uring_cq_eventfd_toggle(&io->ring, true);
	/* The flag must be seen before the caller looks for completions. */
	atomic_thread_fence(memory_order_seq_cst);
}

/* Moves completions to the done list. True if short transfers were queued again. */
static bool uring_reap_once(struct blk_io *io)
{
	struct io_uring_cqe *cqe;
	bool again = false;

	while (io_uring_peek_cqe(&io->ring, &cqe) == 0) {
		struct blk_req *r = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&io->ring, cqe);
		if (step_done(r, res)) {
			finish(io, r, r->res);
		} else if (io->draining) {
			finish(io, r, -ECANCELED);
		} else {
			uring_queue(io, r);
			again = true;
		}
	}
	return again;
}

static void uring_reap(struct blk_io *io)
{
	/* Every turn has moved some bytes, or used up one of a request's tries. */
	while (uring_reap_once(io))
		uring_submit(io);
}

static void uring_drain(struct blk_io *io)
{
	/* What was queued and not yet submitted goes through too: an entry of the ring cannot be taken back. */
	while (io->inflight) {
		/* Errors (interrupted, no memory for now) only mean another turn. */
		io_uring_submit_and_wait(&io->ring, 1);
		uring_reap(io);
	}
}

static int uring_restrict(struct io_uring *ring)
{
	static const u8 ops[] = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE };
	struct io_uring_restriction r[ARRAY_SIZE(ops) + 2] = { 0 };
	unsigned n = 0;

	for (; n < ARRAY_SIZE(ops); n++) {
		r[n].opcode = IORING_RESTRICTION_SQE_OP;
		r[n].sqe_op = ops[n];
	}
	r[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	r[n++].sqe_flags = IOSQE_FIXED_FILE;
	r[n].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	r[n++].sqe_flags = IOSQE_FIXED_FILE;
	return io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_RESTRICTIONS, r, n);
}

static int uring_init(struct blk_io *io)
{
	struct io_uring_params p = { .flags = IORING_SETUP_R_DISABLED };
	int err = io_uring_queue_init_params(io->cfg.depth, &io->ring, &p);

	if (err)
		return err;
	err = io_uring_register_files(&io->ring, &io->cfg.fd, 1);
	if (!err)
		err = io_uring_register_eventfd(&io->ring, io->evfd);
	if (!err)
		err = uring_restrict(&io->ring);
	if (!err)
		err = io_uring_register((unsigned)io->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (err < 0) {
		io_uring_queue_exit(&io->ring);
		return err;
	}
	return 0;
}

/* --- the worker thread --- */

static s64 call(int fd, struct blk_req *r)
{
	ssize_t n;

	switch (r->op) {
	case BLK_READ:
		n = preadv(fd, r->iov, (int)r->n_iov, (off_t)r->off);
		break;
	case BLK_FLUSH:
		n = fdatasync(fd);
		break;
	case BLK_PUNCH:
	case BLK_ZERO:
		n = fallocate(fd, fallocate_mode(r->op), (off_t)r->off, (off_t)r->len);
		break;
	default:
		n = pwritev2(fd, r->iov, (int)r->n_iov, (off_t)r->off, r->op == BLK_WRITE_SYNC ? RWF_DSYNC : 0);
		break;
	}
	return n < 0 ? -errno : n;
}

static void *worker(void *arg)
{
	struct blk_io *io = arg;

	pthread_mutex_lock(&io->lock);
	while (!io->stop) {
		struct blk_req *r = list_take(&io->todo);

		if (!r) {
			pthread_cond_wait(&io->work, &io->lock);
			continue;
		}
		io->busy = true;
		pthread_mutex_unlock(&io->lock);
		while (!step_done(r, call(io->cfg.fd, r)))
			;
		pthread_mutex_lock(&io->lock);
		io->busy = false;
		if (!io->done.head)
			blk_io_wake(io);
		list_add(&io->done, r);
		pthread_cond_signal(&io->idle);
	}
	pthread_mutex_unlock(&io->lock);
	return NULL;
}

static int worker_start(struct blk_io *io)
{
	sigset_t all, old;
	int err;

	/* Signals belong to the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&io->worker, NULL, worker, io);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

static void worker_drain(struct blk_io *io)
{
	struct blk_req *r;

	pthread_mutex_lock(&io->lock);
	while ((r = list_take(&io->todo))) {
		r->res = -ECANCELED;
		list_add(&io->done, r);
	}
	while (io->busy)
		pthread_cond_wait(&io->idle, &io->lock);
	pthread_mutex_unlock(&io->lock);
}

/* --- both --- */

static void on_event(void *arg, u32 events)
{
	struct blk_io *io = arg;
	u64 count;

	if (read(io->evfd, &count, sizeof(count)) < 0)
		return;
	io->cfg.ready(io->cfg.arg);
}

static int engine_start(struct blk_io *io)
{
	static _Atomic bool said;
	int err = io->cfg.use_thread ? -ECANCELED : uring_init(io);

	if (!err || err == -EMFILE || err == -ENFILE)
		return err;
	if (!io->cfg.use_thread && !atomic_exchange(&said, true))
		log_warn("io_uring is not available (%s): using a thread for disk I/O", strerror(-err));
	io->thread = true;
	return worker_start(io);
}

int blk_io_create(const struct blk_io_cfg *cfg, struct blk_io **out)
{
	struct blk_io *io = calloc(1, sizeof(*io));
	int err;

	if (!io)
		return -ENOMEM;
	io->cfg = *cfg;
	list_init(&io->done);
	list_init(&io->todo);
	pthread_mutex_init(&io->lock, NULL);
	pthread_cond_init(&io->work, NULL);
	pthread_cond_init(&io->idle, NULL);
	io->evfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (io->evfd < 0) {
		err = -errno;
		goto free_io;
	}
	err = engine_start(io);
	if (err)
		goto close_evfd;
	err = event_add(cfg->ev, &io->src, io->evfd, EPOLLIN, on_event, io);
	if (err) {
		blk_io_destroy(io);
		return err;
	}
	*out = io;
	return 0;

close_evfd:
	close(io->evfd);
free_io:
	free(io);
	return err;
}

void blk_io_destroy(struct blk_io *io)
{
	if (!io)
		return;
	blk_io_drain(io);
	event_del(&io->src);
	if (io->thread) {
		pthread_mutex_lock(&io->lock);
		io->stop = true;
		pthread_cond_signal(&io->work);
		pthread_mutex_unlock(&io->lock);
		pthread_join(io->worker, NULL);
	} else {
		io_uring_queue_exit(&io->ring);
	}
	close(io->evfd);
	pthread_cond_destroy(&io->idle);
	pthread_cond_destroy(&io->work);
	pthread_mutex_destroy(&io->lock);
	free(io);
}

void blk_io_queue(struct blk_io *io, struct blk_req *r)
{
	r->tries = 0;
	r->res = 0;
	if (!io->thread) {
		io->inflight++;
		uring_queue(io, r);
		return;
	}
	pthread_mutex_lock(&io->lock);
	list_add(&io->todo, r);
	pthread_mutex_unlock(&io->lock);
}

void blk_io_submit(struct blk_io *io)
{
	if (io->thread)
		pthread_cond_signal(&io->work);
	else if (io_uring_sq_ready(&io->ring))
		uring_submit(io);
}

struct blk_req *blk_io_next_done(struct blk_io *io)
{
	struct blk_req *r;

	if (io->thread)
		pthread_mutex_lock(&io->lock);
	else if (!io->done.head)
		uring_reap(io);
	r = list_take(&io->done);
	if (io->thread)
		pthread_mutex_unlock(&io->lock);
	return r;
}

void blk_io_drain(struct blk_io *io)
{
	if (io->thread) {
		worker_drain(io);
		return;
	}
	io->draining = true;
	uring_drain(io);
	io->draining = false;
}

bool blk_io_uses_thread(const struct blk_io *io)
{
	return io->thread;
}
