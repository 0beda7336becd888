/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-blk (virtio 1.2 section 5.2) on a raw image. Life of a request, all under fn.lock on the event thread:
 *
 * 1. notify() takes chains while there are free requests, and begin() judges each: bad ones are answered at once.
 * 2. A transfer goes in rounds: next_round() translates as many segments as fit into the request's iovecs (spans are live from here) and queues.
 * 3. settle() submits everything once, and collects what is done; the spans of a round are put, and the next round begins.
 * 4. finish() writes the status, returns the chain, frees the request; one interrupt per queue follows when all that is done was collected.
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/blk_image.h"
#include "devices/blk_io.h"
#include "devices/rate.h"
#include "devices/virtio.h"
#include "vmm/config.h"
#include "vmm/log.h"

#define SECTOR 512

/* Feature bits, 5.2.3 */
#define BLK_F_SIZE_MAX 1
#define BLK_F_SEG_MAX 2
#define BLK_F_RO 5
#define BLK_F_BLK_SIZE 6
#define BLK_F_FLUSH 9
#define BLK_F_TOPOLOGY 10
#define BLK_F_CONFIG_WCE 11
#define BLK_F_MQ 12
#define BLK_F_DISCARD 13
#define BLK_F_WRITE_ZEROES 14

/* Configuration, 5.2.4 */
#define BLK_CFG_CAPACITY 0
#define BLK_CFG_SIZE_MAX 8
#define BLK_CFG_SEG_MAX 12
#define BLK_CFG_BLK_SIZE 20
#define BLK_CFG_PHYSICAL_EXP 24
#define BLK_CFG_WCE 32
#define BLK_CFG_NUM_QUEUES 34
#define BLK_CFG_MAX_DISCARD_SECTORS 36
#define BLK_CFG_MAX_DISCARD_SEG 40
#define BLK_CFG_DISCARD_ALIGNMENT 44
#define BLK_CFG_MAX_ZEROES_SECTORS 48
#define BLK_CFG_MAX_ZEROES_SEG 52
#define BLK_CFG_ZEROES_MAY_UNMAP 56
#define BLK_CFG_LEN 60

/* Request types and status, 5.2.6 */
#define BLK_T_IN 0
#define BLK_T_OUT 1
#define BLK_T_FLUSH 4
#define BLK_T_GET_ID 8
#define BLK_T_DISCARD 11
#define BLK_T_WRITE_ZEROES 13
#define BLK_S_OK 0
#define BLK_S_IOERR 1
#define BLK_S_UNSUPP 2
#define BLK_HDR_LEN 16
#define BLK_RANGE_LEN 16
#define BLK_ID_LEN 20
#define BLK_RANGE_UNMAP 1

/* begin(): the request is under way. */
#define IN_FLIGHT (-1)

#define SEG_MAX 64
#define SIZE_MAX_BYTES ((u32)MiB(1))
#define REQUESTS 128
#define MAX_DISCARD_SECTORS 0x400000U
#define MAX_ZEROES_SECTORS 0x8000U
#define PAGE 4096ULL
/* Bytes given to the host before others on the event thread come: what is in its page cache is copied while we wait. */
#define TURN_BYTES MiB(32)

/* Read only; never written, so it costs no memory. */
static u8 zeros[65536];

struct blk_vreq {
	struct blk_req io;
	struct vq *q;
	u16 head;
	u32 in_len;
	iova_t status_at;
	u64 pos, zero_left;      /* file offset of the next round; bytes still to be zeroed by writing */
	unsigned n_seg, seg_i;   /* data segments; the one that the next round begins with, */
	u32 seg_off;             /* and where in it */
	unsigned n_spans;
	struct vq_seg seg[SEG_MAX];
	struct iovec iov[SEG_MAX];
	struct dma_span span[SEG_MAX];
};

struct blk {
	struct virtio_dev vd;    /* first member */
	struct blk_image img;
	struct blk_io *io;
	char *id;
	bool wce;                /* the driver may have writes cached; else each is made stable */
	bool no_zero_range;      /* the file system cannot: zeroes are written */
	u64 pushed;              /* queues with returned chains that the driver was not told about */
	u64 stalled;             /* queues left with chains for want of a free request */
	u64 turn_bytes;          /* given to the host in this turn of the event thread */
	bool limited;
	struct rate rate;
	struct event_timer timer; /* when a limit allows the next request; kicks the queues in waiting */
	u64 waiting;
	struct blk_vreq *req;    /* REQUESTS, touched only as far as the guest's queue depth needs */
	u16 free[REQUESTS];      /* a stack, so that the same few are used again */
	unsigned n_free;
	struct vq_chain chain;   /* the one being judged */
};

static struct blk *to_blk(struct virtio_dev *d)
{
	return CONTAINER_OF(d, struct blk, vd);
}

static bool has(const struct blk *b, unsigned feature)
{
	return b->vd.features & BIT(feature);
}

static void put_spans(struct blk_vreq *r)
{
	for (unsigned i = 0; i < r->n_spans; i++)
		dma_put(&r->span[i]);
	r->n_spans = 0;
}

static void release(struct blk *b, struct blk_vreq *r)
{
	put_spans(r);
	b->free[b->n_free++] = (u16)(r - b->req);
}

/* Answers the request. The used length covers only what was surely written from the start on (2.7.8.2). */
static void finish(struct blk *b, struct blk_vreq *r, u8 status)
{
	u32 written = status == BLK_S_OK || r->in_len == 1 ? r->in_len : 0;

	put_spans(r);
	if (dma_write(b->vd.fn.dma, r->status_at, &status, 1)) {
		log_guest("%s: the status byte of a request cannot be written", b->id);
		written = 0;
	}
	vq_push(r->q, r->head, written);
	b->pushed |= BIT(r->q->index);
	release(b, r);
}

static u8 status_of(const struct blk *b, const struct blk_req *io)
{
	if (!io->res)
		return BLK_S_OK;
	if (io->res == -EOPNOTSUPP && (io->op == BLK_PUNCH || io->op == BLK_ZERO))
		return BLK_S_UNSUPP;
	log_guest("%s: I/O error at byte %llu: %s", b->id, (unsigned long long)io->off, strerror(-io->res));
	return BLK_S_IOERR;
}

static enum blk_op write_op(const struct blk *b)
{
	/* Without FLUSH a driver cannot ask for stable storage, so every write must reach it (5.2.6.2). */
	return b->wce && has(b, BLK_F_FLUSH) ? BLK_WRITE : BLK_WRITE_SYNC;
}

/* --- rounds --- */

static void map_zeros(struct blk_vreq *r)
{
	while (r->zero_left && r->io.n_iov < SEG_MAX) {
		u64 part = MIN(r->zero_left, sizeof(zeros));

		r->iov[r->io.n_iov++] = (struct iovec){ zeros, part };
		r->io.len += part;
		r->zero_left -= part;
	}
}

/* Behind a vIOMMU one segment may be many pages apart: what does not fit is left for the next round. 0 or -EFAULT. */
static int map_segs(struct blk *b, struct blk_vreq *r)
{
	enum dma_perm perm = r->io.op == BLK_READ ? DMA_WRITE : DMA_READ;

	while (r->seg_i < r->n_seg && r->io.n_iov < SEG_MAX && r->n_spans < SEG_MAX) {
		const struct vq_seg *s = &r->seg[r->seg_i];
		u64 len = s->len - r->seg_off;
		struct iovec *iov = &r->iov[r->io.n_iov];
		struct dma_span *span = &r->span[r->n_spans];
		int n = dma_get(b->vd.fn.dma, s->addr + r->seg_off, len, perm, span, iov, SEG_MAX - r->io.n_iov);

		if (n == -E2BIG && r->io.n_iov)
			break;
		if (n == -E2BIG) {
			len = MIN(len, (SEG_MAX - 1) * PAGE);
			n = dma_get(b->vd.fn.dma, s->addr + r->seg_off, len, perm, span, iov, SEG_MAX);
		}
		if (n < 0)
			return -EFAULT;
		r->io.n_iov += (unsigned)n;
		r->io.len += len;
		r->n_spans++;
		r->seg_off += (u32)len;
		if (r->seg_off == s->len) {
			r->seg_i++;
			r->seg_off = 0;
		}
	}
	return 0;
}

static bool rounds_left(const struct blk_vreq *r)
{
	return r->zero_left || r->seg_i < r->n_seg;
}

/* Queues the next part of a transfer. IN_FLIGHT, or the status to finish with. */
static int next_round(struct blk *b, struct blk_vreq *r)
{
	r->io.iov = r->iov;
	r->io.n_iov = 0;
	r->io.off = r->pos;
	r->io.len = 0;
	if (r->zero_left)
		map_zeros(r);
	else if (map_segs(b, r))
		return BLK_S_IOERR;
	r->pos += r->io.len;
	b->turn_bytes += r->io.len;
	blk_io_queue(b->io, &r->io);
	return IN_FLIGHT;
}

/* --- judging requests --- */

/* Collects the bytes [skip, skip + len) of n segments as the data of r. */
static bool collect(struct blk_vreq *r, const struct vq_seg *seg, unsigned n, u64 skip, u64 len)
{
	for (unsigned i = 0; i < n && len; i++) {
		u64 part;

		if (skip >= seg[i].len) {
			skip -= seg[i].len;
			continue;
		}
		if (r->n_seg == SEG_MAX || seg[i].addr > ~0ULL - skip)
			return false;
		part = MIN(seg[i].len - skip, len);
		r->seg[r->n_seg++] = (struct vq_seg){ seg[i].addr + skip, (u32)part };
		len -= part;
		skip = 0;
	}
	return !len;
}

static bool sectors_ok(const struct blk *b, u64 sector, u64 n)
{
	return sector <= b->img.sectors && n <= b->img.sectors - sector;
}

static int begin_transfer(struct blk *b, struct blk_vreq *r, u64 sector, bool write)
{
	const struct vq_chain *c = &b->chain;
	u64 len = write ? c->out_len - BLK_HDR_LEN : c->in_len - 1;
	bool ok;

	if (len % SECTOR || len > (u64)SEG_MAX * SIZE_MAX_BYTES || !sectors_ok(b, sector, len / SECTOR) || (write && b->img.ro))
		return BLK_S_IOERR;
	ok = write ? collect(r, c->seg, c->n_out, BLK_HDR_LEN, len) : collect(r, c->seg + c->n_out, c->n_in, 0, len);
	if (!ok)
		return BLK_S_IOERR;
	if (!len)
		return BLK_S_OK;
	r->io.op = write ? write_op(b) : BLK_READ;
	r->pos = sector * SECTOR;
	return next_round(b, r);
}

static int zero_by_writing(struct blk *b, struct blk_vreq *r, u64 len)
{
	r->io.op = write_op(b);
	r->zero_left = len;
	return next_round(b, r);
}

/* DISCARD and WRITE_ZEROES: one range, 5.2.6. */
static int begin_range(struct blk *b, struct blk_vreq *r, bool discard)
{
	u8 raw[BLK_RANGE_LEN];
	u64 sector, n;
	u32 flags;

	if (!has(b, discard ? BLK_F_DISCARD : BLK_F_WRITE_ZEROES))
		return BLK_S_UNSUPP;
	if (b->img.ro || b->chain.out_len != BLK_HDR_LEN + BLK_RANGE_LEN ||
	    vq_chain_read(&b->vd, &b->chain, BLK_HDR_LEN, raw, sizeof(raw)) != sizeof(raw))
		return BLK_S_IOERR;
	sector = get_le(raw, 8);
	n = get_le(raw + 8, 4);
	flags = (u32)get_le(raw + 12, 4);
	if (flags & ~(discard ? 0U : BLK_RANGE_UNMAP))
		return BLK_S_UNSUPP;
	if (!sectors_ok(b, sector, n) || n > (discard ? MAX_DISCARD_SECTORS : MAX_ZEROES_SECTORS))
		return BLK_S_IOERR;
	if (!n)
		return BLK_S_OK;
	r->pos = sector * SECTOR;
	if (!discard && !(flags & BLK_RANGE_UNMAP) && b->no_zero_range)
		return zero_by_writing(b, r, n * SECTOR);
	r->io.op = discard || (flags & BLK_RANGE_UNMAP) ? BLK_PUNCH : BLK_ZERO;
	r->io.off = r->pos;
	r->io.len = n * SECTOR;
	blk_io_queue(b->io, &r->io);
	return IN_FLIGHT;
}

static int begin_get_id(struct blk *b)
{
	u8 serial[BLK_ID_LEN] = { 0 };

	memcpy(serial, b->id, strnlen(b->id, sizeof(serial)));
	return vq_chain_write(&b->vd, &b->chain, 0, serial, MIN(sizeof(serial), b->chain.in_len - 1)) < 0 ? BLK_S_IOERR : BLK_S_OK;
}

/* IN_FLIGHT, or the status to answer with at once. */
static int begin(struct blk *b, struct blk_vreq *r)
{
	u8 hdr[BLK_HDR_LEN];

	if (vq_chain_read(&b->vd, &b->chain, 0, hdr, sizeof(hdr)) != sizeof(hdr))
		return BLK_S_IOERR;
	switch ((u32)get_le(hdr, 4)) {
	case BLK_T_IN:
		return begin_transfer(b, r, get_le(hdr + 8, 8), false);
	case BLK_T_OUT:
		return begin_transfer(b, r, get_le(hdr + 8, 8), true);
	case BLK_T_FLUSH:
		r->io.op = BLK_FLUSH;
		blk_io_queue(b->io, &r->io);
		return IN_FLIGHT;
	case BLK_T_GET_ID:
		return begin_get_id(b);
	case BLK_T_DISCARD:
		return begin_range(b, r, true);
	case BLK_T_WRITE_ZEROES:
		return begin_range(b, r, false);
	}
	return BLK_S_UNSUPP;
}

/* Turns b->chain into a request. */
static void take(struct blk *b, struct vq *q)
{
	const struct vq_chain *c = &b->chain;
	const struct vq_seg *last = &c->seg[c->n_out + c->n_in - 1];
	struct blk_vreq *r = &b->req[b->free[--b->n_free]];
	int status;

	r->q = q;
	r->head = c->head;
	r->zero_left = 0;
	r->n_seg = r->seg_i = 0;
	r->seg_off = 0;
	r->n_spans = 0;
	r->in_len = (u32)MIN(c->in_len, UINT32_MAX);
	if (!c->in_len || last->addr > ~0ULL - last->len) {
		virtio_broken(&b->vd, "request without room for its status");
		release(b, r);
		return;
	}
	r->status_at = last->addr + last->len - 1;
	status = begin(b, r);
	if (status != IN_FLIGHT)
		finish(b, r, (u8)status);
}

/* --- completion --- */

/* True if another round was queued. */
static bool complete(struct blk *b, struct blk_vreq *r)
{
	struct blk_req *io = &r->io;
	int status = IN_FLIGHT;

	put_spans(r);
	if (io->op == BLK_ZERO && io->res == -EOPNOTSUPP) {
		b->no_zero_range = true;
		status = zero_by_writing(b, r, io->len);
	} else if (io->res || !rounds_left(r)) {
		status = status_of(b, io);
	} else {
		status = next_round(b, r);
	}
	if (status == IN_FLIGHT)
		return true;
	finish(b, r, (u8)status);
	return false;
}

/* Tells the driver of what was returned. */
static void tell(struct blk *b)
{
	for (unsigned i = 0; i < b->vd.n_queues; i++) {
		if (b->pushed & BIT(i))
			vq_notify_driver(&b->vd.q[i]);
	}
	b->pushed = 0;
}

static void settle(struct blk *b)
{
	struct blk_req *io;
	bool later;

	/* Nothing is taken from the rings here, and each round moves a request on. */
	do {
		later = false;
		blk_io_submit(b->io);
		while ((io = blk_io_next_done(b->io)))
			later |= complete(b, CONTAINER_OF(io, struct blk_vreq, io));
	} while (later && b->turn_bytes < TURN_BYTES);
	/* Not by a queue's bell: what was begun ends whatever became of the queues, or an invalidation would wait for its spans for ever. */
	if (later)
		blk_io_wake(b->io);
	for (unsigned i = 0; i < b->vd.n_queues; i++) {
		if (b->n_free && (b->stalled & BIT(i)))
			virtio_kick(&b->vd.q[i]);
	}
	if (b->n_free)
		b->stalled = 0;
	tell(b);
}

static void on_ready(void *arg)
{
	struct blk *b = arg;

	pthread_mutex_lock(&b->vd.fn.lock);
	b->turn_bytes = 0;
	settle(b);
	pthread_mutex_unlock(&b->vd.fn.lock);
}

/* True if a limit keeps the queue's next request waiting; the timer comes back to it. */
static bool must_wait(struct blk *b, const struct vq *q)
{
	u64 ns = b->limited ? rate_wait_ns(&b->rate, rate_now_ns()) : 0;

	if (!ns)
		return false;
	b->waiting |= BIT(q->index);
	event_timer_set(&b->timer, ns, 0);
	return true;
}

static void on_time(void *arg)
{
	struct blk *b = arg;

	pthread_mutex_lock(&b->vd.fn.lock);
	for (unsigned i = 0; i < b->vd.n_queues; i++) {
		if (b->waiting & BIT(i))
			virtio_kick(&b->vd.q[i]);
	}
	b->waiting = 0;
	pthread_mutex_unlock(&b->vd.fn.lock);
}

static void take_all(struct blk *b, struct vq *q)
{
	unsigned budget = q->size;

	vq_enable_bell(q, false);
	do {
		while (b->n_free && budget) {
			if (b->turn_bytes >= TURN_BYTES) {
				budget = 0;
				break;
			}
			if (must_wait(b, q))
				return;
			if (vq_pop(q, &b->chain) != 1)
				break;
			rate_charge(&b->rate, b->chain.out_len + b->chain.in_len - MIN(b->chain.out_len + b->chain.in_len, BLK_HDR_LEN + 1));
			take(b, q);
			budget--;
		}
		if (!b->n_free) {
			b->stalled |= BIT(q->index);
			return;
		}
		if (!budget) {
			/* Others on the event thread come first. */
			virtio_kick(q);
			return;
		}
	} while (vq_enable_bell(q, true));
}

static void notify(struct virtio_dev *d, struct vq *q)
{
	struct blk *b = to_blk(d);

	b->turn_bytes = 0;
	take_all(b, q);
	settle(b);
}

/* --- device --- */

static void cfg_read(struct virtio_dev *d, unsigned off, unsigned size, u64 *val)
{
	const struct blk *b = to_blk(d);
	u8 image[BLK_CFG_LEN + 8] = { 0 };

	*val = 0;
	if (off >= BLK_CFG_LEN)
		return;
	put_le(image + BLK_CFG_CAPACITY, 8, b->img.sectors);
	put_le(image + BLK_CFG_SIZE_MAX, 4, SIZE_MAX_BYTES);
	put_le(image + BLK_CFG_SEG_MAX, 4, SEG_MAX);
	put_le(image + BLK_CFG_BLK_SIZE, 4, SECTOR);
	image[BLK_CFG_PHYSICAL_EXP] = (u8)__builtin_ctz(b->img.physical_bytes / SECTOR);
	image[BLK_CFG_WCE] = b->wce;
	put_le(image + BLK_CFG_NUM_QUEUES, 2, d->n_queues);
	put_le(image + BLK_CFG_MAX_DISCARD_SECTORS, 4, MAX_DISCARD_SECTORS);
	put_le(image + BLK_CFG_MAX_DISCARD_SEG, 4, 1);
	put_le(image + BLK_CFG_DISCARD_ALIGNMENT, 4, b->img.physical_bytes / SECTOR);
	put_le(image + BLK_CFG_MAX_ZEROES_SECTORS, 4, MAX_ZEROES_SECTORS);
	put_le(image + BLK_CFG_MAX_ZEROES_SEG, 4, 1);
	image[BLK_CFG_ZEROES_MAY_UNMAP] = 1;
	*val = get_le(image + off, size);
}

static void cfg_write(struct virtio_dev *d, unsigned off, unsigned size, u64 val)
{
	struct blk *b = to_blk(d);

	if (off == BLK_CFG_WCE && size == 1 && has(b, BLK_F_CONFIG_WCE))
		b->wce = val & 1;
}

static void reset(struct virtio_dev *d)
{
	struct blk *b = to_blk(d);
	struct blk_req *io;

	blk_io_drain(b->io);
	while ((io = blk_io_next_done(b->io)))
		release(b, CONTAINER_OF(io, struct blk_vreq, io));
	b->pushed = b->stalled = b->waiting = 0;
	b->wce = true;
}

/*
 * A kernel that is about to start another one in its place counts on this to keep the disk from memory. What is in flight ends before the register
 * reads so; rounds that had not begun, and the requests they belong to, fail.
 */
static void bus_master(struct virtio_dev *d, bool on)
{
	struct blk *b = to_blk(d);
	struct blk_req *io;

	if (on)
		return;
	blk_io_drain(b->io);
	while ((io = blk_io_next_done(b->io))) {
		struct blk_vreq *r = CONTAINER_OF(io, struct blk_vreq, io);

		finish(b, r, rounds_left(r) ? BLK_S_IOERR : status_of(b, io));
	}
	tell(b);
}

static void free_host(struct blk *b)
{
	blk_image_close(&b->img);
	free(b->req);
	free(b->id);
	free(b);
}

static void destroy(struct virtio_dev *d)
{
	struct blk *b = to_blk(d);

	if (b->io)
		reset(d);
	event_timer_fini(&b->timer);
	blk_io_destroy(b->io);
	virtio_fini(d);
	free_host(b);
}

static const struct virtio_ops blk_ops = {
	.cfg_read = cfg_read,
	.cfg_write = cfg_write,
	.notify = notify,
	.reset = reset,
	.bus_master = bus_master,
	.destroy = destroy,
};

struct same {
	const struct blk_image *img;
	bool found;
};

static void find_same(struct pci_fn *fn, void *arg)
{
	struct virtio_dev *d = virtio_from_fn(fn);
	struct same *s = arg;
	const struct blk_image *other;

	if (!d || d->ops != &blk_ops)
		return;
	other = &to_blk(d)->img;
	if (other->dev == s->img->dev && other->ino == s->img->ino && !(other->ro && s->img->ro))
		s->found = true;
}

/* An open file's lock does not keep the same inherited descriptor from being given twice. */
static int check_twice(const struct dev_ctx *ctx, const struct blk_image *img, const struct disk_cfg *cfg)
{
	struct same s = { .img = img };

	pci_for_each(ctx->pci, find_same, &s);
	if (!s.found)
		return 0;
	log_error("--disk %s: given twice: use a copy, or add ,ro to all of them if it is only to be read", cfg->file.path);
	return EXIT_NOINPUT;
}

static int init_virtio(const struct dev_ctx *ctx, struct blk *b, const struct disk_cfg *cfg)
{
	struct virtio_spec spec = {
		.type = 2,
		.class_rev = 0x018000 << 8,
		.features = BIT(BLK_F_SIZE_MAX) | BIT(BLK_F_SEG_MAX) | BIT(BLK_F_BLK_SIZE) | BIT(BLK_F_FLUSH) | BIT(BLK_F_TOPOLOGY) |
			    BIT(BLK_F_CONFIG_WCE) | BIT(BLK_F_MQ),
		.n_queues = cfg->queues ? MIN(cfg->queues, VIRTIO_MAX_QUEUES) : MIN(MAX(ctx->cpus, 1), 4),
		.cfg_len = BLK_CFG_LEN,
		.queue_size = VIRTIO_QUEUE_SIZE,
		.viommu = cfg->viommu == ON,
	};

	spec.features |= cfg->ro ? BIT(BLK_F_RO) : BIT(BLK_F_DISCARD) | BIT(BLK_F_WRITE_ZEROES);
	return virtio_init(&b->vd, ctx, &blk_ops, &spec, b->id);
}

/* The parts that need no virtio device yet. 0 or an exit status after log_error. */
static int init_host(const struct dev_ctx *ctx, struct blk *b, const struct disk_cfg *cfg)
{
	int status = blk_image_open(cfg, &b->img);

	if (!status)
		status = check_twice(ctx, &b->img, cfg);
	if (status)
		return status;
	b->id = strdup(cfg->id ? cfg->id : "disk");
	b->req = calloc(REQUESTS, sizeof(*b->req));
	if (!b->id || !b->req)
		return virtio_init_error(cfg->file.path, -ENOMEM);
	for (unsigned i = 0; i < REQUESTS; i++)
		b->free[i] = (u16)(REQUESTS - 1 - i);
	b->n_free = REQUESTS;
	b->wce = true;
	b->limited = cfg->bps || cfg->iops;
	rate_init(&b->rate, cfg->bps, cfg->iops, rate_now_ns());
	return 0;
}

int virtio_blk_create(const struct dev_ctx *ctx, const struct disk_cfg *cfg)
{
	struct blk_io_cfg io = { .ev = ctx->ev, .depth = REQUESTS, .ready = on_ready };
	struct blk *b = calloc(1, sizeof(*b));
	int status, err;

	if (!b)
		return virtio_init_error(cfg->file.path, -ENOMEM);
	b->img.fd = b->img.lock_fd = -1;
	status = init_host(ctx, b, cfg);
	if (status)
		goto free_blk;
	err = init_virtio(ctx, b, cfg);
	if (err) {
		status = virtio_init_error(b->id, err);
		goto free_blk;
	}
	io.fd = b->img.fd;
	io.arg = b;
	err = b->limited ? event_timer_init(ctx->ev, &b->timer, on_time, b) : 0;
	if (!err)
		err = blk_io_create(&io, &b->io);
	if (!err)
		err = virtio_plug(&b->vd);
	if (err) {
		status = virtio_init_error(b->id, err);
		destroy(&b->vd);
		return status;
	}
	return 0;

free_blk:
	free_host(b);
	return status;
}
