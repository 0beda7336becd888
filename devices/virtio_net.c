/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net (virtio 1.2 section 5.1) on a tap interface, in one of two ways that are chosen once:
 *
 * - vhost: the kernel moves frames between tap and rings. Here are only set-up, the control queue, the switching of queue pairs, and for
 *   a NIC behind a vIOMMU the translations that the kernel asks for.
 * - user: the event thread does, frame by frame. This is the way of a NIC with rate limits, and of hosts without vhost-net or, behind a
 *   vIOMMU, with one that has no device IOTLB.
 *
 * Queues are receive and transmit of each pair in turn, then control; the third is control of a driver without MQ. Offloads are the tap's
 * business: frames carry their virtio_net_hdr through.
 */
#include <errno.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "devices/rate.h"
#include "devices/tap.h"
#include "devices/vhost_tlb.h"
#include "devices/virtio.h"
#include "vmm/config.h"
#include "vmm/log.h"

/* Feature bits, 5.1.3 */
#define NET_F_CSUM 0
#define NET_F_GUEST_CSUM 1
#define NET_F_CTRL_GUEST_OFFLOADS 2
#define NET_F_MTU 3
#define NET_F_MAC 5
#define NET_F_GUEST_TSO4 7
#define NET_F_GUEST_TSO6 8
#define NET_F_GUEST_ECN 9
#define NET_F_GUEST_UFO 10
#define NET_F_HOST_TSO4 11
#define NET_F_HOST_TSO6 12
#define NET_F_HOST_ECN 13
#define NET_F_HOST_UFO 14
#define NET_F_MRG_RXBUF 15
#define NET_F_STATUS 16
#define NET_F_CTRL_VQ 17
#define NET_F_MQ 22
#define GUEST_OFFLOADS (BIT(NET_F_GUEST_CSUM) | BIT(NET_F_GUEST_TSO4) | BIT(NET_F_GUEST_TSO6) | BIT(NET_F_GUEST_ECN) | BIT(NET_F_GUEST_UFO))

/* Configuration, 5.1.4 */
#define NET_CFG_MAC 0
#define NET_CFG_STATUS 6
#define NET_CFG_PAIRS 8
#define NET_CFG_MTU 10
#define NET_CFG_LEN 12
#define NET_S_LINK_UP 1

/* Control queue, 5.1.6.5 */
#define NET_CTRL_MQ 4
#define NET_CTRL_MQ_SET 0
#define NET_CTRL_OFFLOADS 5
#define NET_CTRL_OFFLOADS_SET 0
#define NET_CTRL_OK 0
#define NET_CTRL_ERR 1

#define FRAME_MAX (TAP_HDR_LEN + 65536) /* a segmentation offload's largest, with its header */
#define HDR_NUM_BUFFERS 10
#define ROUND 64                        /* frames before others on the event thread come */
#define VHOST_NODE "/dev/vhost-net"

struct net;

struct net_pair {
	struct net *n;
	struct vq *rx, *tx;
	/* vhost */
	struct vhost vh;
	struct vhost_ring ring[2];
	struct vhost_tlb tlb;    /* behind a vIOMMU */
	_Atomic bool cut;        /* the kernel has translations that nothing may go by, until a reset empties its table */
	struct event_src miss;
	struct event_bell gave_up;
	bool stood;              /* a question was found late with the rings at stood_at */
	u16 stood_at[2];
	/* user */
	struct event_src src;
	bool readable;           /* the tap may have a frame */
	bool have_buf;           /* buf was taken from the ring for the next frame */
	struct vq_chain buf;
};

struct net_dir {
	bool limited;
	struct rate rate;
	struct event_timer timer;
};

struct net {
	struct virtio_dev vd;    /* first member */
	struct tap tap;
	char *id;
	u8 mac[6];
	bool user;
	bool running;            /* vhost: rings are set up */
	unsigned n_pairs, active;
	struct net_pair *pair;
	struct net_dir rx, tx;
	u8 *frame;               /* FRAME_MAX, user */
	struct vq_chain chain;
};

static struct net *to_net(struct virtio_dev *d)
{
	return CONTAINER_OF(d, struct net, vd);
}

/* --- offloads and queue pairs --- */

static int set_offloads(struct net *n, u64 features)
{
	static const struct {
		unsigned feature, flag;
	} map[] = {
		{ NET_F_GUEST_CSUM, TUN_F_CSUM }, { NET_F_GUEST_TSO4, TUN_F_TSO4 }, { NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ NET_F_GUEST_ECN, TUN_F_TSO_ECN }, { NET_F_GUEST_UFO, TUN_F_UFO },
	};
	unsigned flags = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(map); i++)
		flags |= features & BIT(map[i].feature) ? map[i].flag : 0;
	/* The others build on it. */
	return tap_set_offload(&n->tap, flags & TUN_F_CSUM ? flags : 0);
}

/* The frames of a pair flow through the kernel, or do not. */
static int connect_pair(struct net_pair *p, bool on)
{
	int fd = on ? p->n->tap.fd[p - p->n->pair] : -1, err = 0;

	if (on && p->cut)
		return -EIO;
	for (unsigned i = 0; i < 2; i++) {
		int e = on && p->tlb.vh && p->ring[i].on ? vhost_tlb_ring(&p->tlb, p->ring[i].q) : 0;

		if (!e && p->ring[i].on)
			e = vhost_net_backend(&p->vh, i, fd);
		err = err ? err : e;
		/* A doorbell rung while nobody served the ring was taken and forgotten by the kernel. */
		if (on && p->ring[i].on)
			virtio_kick(p->ring[i].q);
	}
	/* on_gone() came meanwhile, without the device's lock: its word is the last. */
	if (on && p->cut) {
		(void)connect_pair(p, false);
		err = -EIO;
	}
	return err;
}

static int set_active(struct net *n, unsigned active)
{
	int err = 0;

	for (unsigned i = 0; i < n->n_pairs; i++) {
		bool on = i < active;
		int e;

		if (!on && n->running)
			(void)connect_pair(&n->pair[i], false);
		e = tap_set_queue(&n->tap, i, on);
		if (!e && on && n->running && pci_bus_master_on(&n->vd.fn))
			e = connect_pair(&n->pair[i], true);
		err = err ? err : e;
	}
	n->active = active;
	return err;
}

/* --- user: frames on the event thread --- */

static bool must_wait(struct net_dir *dir)
{
	u64 ns = dir->limited ? rate_wait_ns(&dir->rate, rate_now_ns()) : 0;

	if (ns)
		event_timer_set(&dir->timer, ns, 0);
	return ns != 0;
}

static bool take_buf(struct net_pair *p)
{
	if (p->have_buf)
		return true;
	do {
		if (vq_pop(p->rx, &p->buf) == 1) {
			p->have_buf = true;
			return true;
		}
	} while (vq_enable_bell(p->rx, true));
	return false;
}

/* A frame that does not fit into the driver's buffer is lost, as on a wire. */
static void deliver(struct net_pair *p, u32 len)
{
	struct net *n = p->n;

	if (len < TAP_HDR_LEN || len > p->buf.in_len)
		return;
	put_le(n->frame + HDR_NUM_BUFFERS, 2, 1);
	if (vq_chain_write(&n->vd, &p->buf, 0, n->frame, len) != len)
		len = 0;
	p->have_buf = false;
	vq_push(p->rx, p->buf.head, len);
}

static void receive(struct net_pair *p)
{
	struct net *n = p->n;
	unsigned budget = ROUND;

	while (p->readable && budget && take_buf(p) && !must_wait(&n->rx)) {
		ssize_t len = read(p->src.fd, n->frame, FRAME_MAX);

		if (len <= 0) {
			p->readable = len < 0 && errno == EINTR;
			continue;
		}
		budget--;
		rate_charge(&n->rx.rate, (u64)len - MIN((u64)len, TAP_HDR_LEN));
		deliver(p, (u32)len);
	}
	if (!budget)
		virtio_kick(p->rx);
	vq_notify_driver(p->rx);
}

static void send_chain(struct net_pair *p)
{
	struct net *n = p->n;
	s64 len = n->chain.out_len > FRAME_MAX ? -E2BIG : vq_chain_read(&n->vd, &n->chain, 0, n->frame, n->chain.out_len);

	rate_charge(&n->tx.rate, n->chain.out_len - MIN(n->chain.out_len, TAP_HDR_LEN));
	if (len <= TAP_HDR_LEN)
		log_guest("%s: a frame of %llu bytes cannot be sent", n->id, (unsigned long long)n->chain.out_len);
	else if (write(p->n->tap.fd[p - n->pair], n->frame, (size_t)len) < 0 && errno == EINVAL)
		log_guest("%s: the host refuses a frame's header", n->id);
	vq_push(p->tx, n->chain.head, 0);
}

static void transmit(struct net_pair *p)
{
	struct net *n = p->n;
	unsigned budget = ROUND;
	bool wait = false;

	vq_enable_bell(p->tx, false);
	do {
		while (budget && !(wait = must_wait(&n->tx)) && vq_pop(p->tx, &n->chain) == 1) {
			send_chain(p);
			budget--;
		}
		if (!budget)
			virtio_kick(p->tx);
	} while (budget && !wait && vq_enable_bell(p->tx, true));
	vq_notify_driver(p->tx);
}

static bool serving(const struct net *n)
{
	return n->running && !n->vd.broken && pci_bus_master_on(&n->vd.fn);
}

static void on_tap(void *arg, u32 events)
{
	struct net_pair *p = arg;

	pthread_mutex_lock(&p->n->vd.fn.lock);
	p->readable = true;
	/* What is beyond the active pairs need not even be a receive queue. */
	if (serving(p->n) && p - p->n->pair < p->n->active && p->rx->enabled)
		receive(p);
	pthread_mutex_unlock(&p->n->vd.fn.lock);
}

static void on_rx_time(void *arg)
{
	struct net *n = arg;

	for (unsigned i = 0; i < n->n_pairs; i++)
		virtio_kick(n->pair[i].rx);
}

static void on_tx_time(void *arg)
{
	struct net *n = arg;

	for (unsigned i = 0; i < n->n_pairs; i++)
		virtio_kick(n->pair[i].tx);
}

/* --- control queue --- */

static int command(struct net *n)
{
	u8 cmd[10];
	s64 len = vq_chain_read(&n->vd, &n->chain, 0, cmd, sizeof(cmd));
	u64 v;

	if (len == 4 && cmd[0] == NET_CTRL_MQ && cmd[1] == NET_CTRL_MQ_SET && (n->vd.features & BIT(NET_F_MQ))) {
		v = get_le(cmd + 2, 2);
		return v >= 1 && v <= n->n_pairs ? set_active(n, (unsigned)v) : -EINVAL;
	}
	if (len == 10 && cmd[0] == NET_CTRL_OFFLOADS && cmd[1] == NET_CTRL_OFFLOADS_SET && (n->vd.features & BIT(NET_F_CTRL_GUEST_OFFLOADS))) {
		v = get_le(cmd + 2, 8);
		return v & ~(n->vd.features & GUEST_OFFLOADS) ? -EINVAL : set_offloads(n, v);
	}
	return -EOPNOTSUPP;
}

static void control(struct net *n, struct vq *q)
{
	unsigned budget = q->size;

	do {
		while (budget && vq_pop(q, &n->chain) == 1) {
			u8 ack = command(n) ? NET_CTRL_ERR : NET_CTRL_OK;
			s64 done = vq_chain_write(&n->vd, &n->chain, 0, &ack, 1);

			vq_push(q, n->chain.head, done == 1);
			budget--;
		}
		if (!budget) {
			virtio_kick(q);
			break;
		}
	} while (vq_enable_bell(q, true));
	vq_notify_driver(q);
}

/* --- device --- */

/* Without MQ there is one pair, and the control queue follows that (5.1.2). */
static unsigned control_index(const struct net *n)
{
	return n->vd.features & BIT(NET_F_MQ) ? 2 * n->n_pairs : 2;
}

/* Where the kernel serves the pairs, their doorbells are its own: the third queue cannot be a control queue. */
static const char *refuse(struct virtio_dev *d)
{
	struct net *n = to_net(d);

	if (n->user || n->n_pairs == 1 || (d->features & BIT(NET_F_MQ)) || !(d->features & BIT(NET_F_CTRL_VQ)))
		return NULL;
	return "a control queue without MQ cannot be had here: leave queues= out";
}

static void notify(struct virtio_dev *d, struct vq *q)
{
	struct net *n = to_net(d);
	struct net_pair *p;

	if (q->index == control_index(n)) {
		control(n, q);
		return;
	}
	/* The last one, of a driver that has its control queue elsewhere. */
	if (q->index == 2 * n->n_pairs)
		return;
	p = &n->pair[q->index / 2];
	if (q == p->rx)
		receive(p);
	else
		transmit(p);
}

static int start_rings(struct net *n)
{
	int err = 0;

	for (unsigned i = 0; !err && i < n->n_pairs; i++) {
		struct net_pair *p = &n->pair[i];

		err = vhost_setup(&p->vh, n->vd.features, n->vd.ctx->mem);
		if (!err && p->tlb.vh) {
			p->cut = p->stood = false;
			vhost_tlb_start(&p->tlb);
		}
		for (unsigned j = 0; !err && j < 2; j++)
			err = p->ring[j].q->enabled ? vhost_ring_start(&p->ring[j]) : 0;
	}
	return err;
}

static void stop(struct net *n)
{
	for (unsigned i = 0; i < n->n_pairs; i++) {
		struct net_pair *p = &n->pair[i];

		p->have_buf = false;
		if (n->user)
			continue;
		(void)connect_pair(p, false);
		vhost_ring_stop(&p->ring[0]);
		vhost_ring_stop(&p->ring[1]);
		if (p->tlb.vh)
			vhost_tlb_stop(&p->tlb);
	}
	n->running = false;
}

/* --- translations for the kernel --- */

/*
 * The kernel stands still at memory that the device may not reach; or it seemed so, and the request has been served since. With the rings at rest what it
 * would take next can be looked at: nobody serves it, and the driver has not got it back. As not all of a large request is looked at, a kernel that asked
 * is believed when it asks again and neither ring has moved.
 */
static void look_into(struct net_pair *p, bool asked)
{
	struct net *n = p->n;
	bool live = serving(n) && p - n->pair < n->active, refused = false, moved = !p->stood;

	if (!n->running)
		return;
	(void)connect_pair(p, false);
	for (unsigned i = 0; live && i < 2; i++) {
		u16 next = 0;

		if (!p->ring[i].on || vhost_ring_next(&p->ring[i], &next))
			continue;
		refused |= vhost_tlb_refused(&p->tlb, p->ring[i].q, next) != 0;
		moved |= p->stood_at[i] != next;
		p->stood_at[i] = next;
	}
	refused |= asked && !moved;
	p->stood = asked;
	/* What it knows and has asked is dropped with the question. */
	vhost_tlb_stop(&p->tlb);
	vhost_tlb_start(&p->tlb);
	if (!live || (!refused && connect_pair(p, true) == 0))
		return;
	stop(n);
	virtio_broken(&n->vd, "memory that the device may not reach");
}

static void on_miss(void *arg, u32 events)
{
	struct net_pair *p = arg;

	pthread_mutex_lock(&p->n->vd.fn.lock);
	if (vhost_tlb_serve(&p->tlb))
		look_into(p, true);
	pthread_mutex_unlock(&p->n->vd.fn.lock);
}

/*
 * The kernel has a page that may only be read, and was to write there. It does not ask again but gives the request up, and stands still until the next
 * doorbell. Other reasons are the driver's business: the queue goes on.
 */
static void on_gave_up(void *arg)
{
	struct net_pair *p = arg;

	pthread_mutex_lock(&p->n->vd.fn.lock);
	look_into(p, false);
	pthread_mutex_unlock(&p->n->vd.fn.lock);
}

/* dma_watch()'s: comes without the device's lock. */
static void on_gone(void *arg, iova_t iova, iova_t last)
{
	struct net *n = arg;

	for (unsigned i = 0; i < n->n_pairs; i++) {
		struct net_pair *p = &n->pair[i];

		if (!p->tlb.vh || vhost_tlb_gone(&p->tlb, iova, last) == 0)
			continue;
		/* Nothing may go by what it still has: its rings stand still until the driver resets the device. */
		log_guest("%s: the kernel keeps translations that the guest took back: its queues are stopped", n->id);
		p->cut = true;
		(void)vhost_net_backend(&p->vh, 0, -1);
		(void)vhost_net_backend(&p->vh, 1, -1);
	}
}

static void start(struct virtio_dev *d)
{
	struct net *n = to_net(d);
	int err = set_offloads(n, d->features);

	if (!err && !n->user)
		err = start_rings(n);
	n->running = true;
	if (!err)
		err = set_active(n, 1);
	if (!err)
		return;
	stop(n);
	log_guest("%s: the queues cannot be started: %s", n->id, strerror(-err));
	virtio_broken(d, "queues cannot be started");
}

static void reset(struct virtio_dev *d)
{
	struct net *n = to_net(d);

	stop(n);
	(void)set_active(n, 1);
	(void)set_offloads(n, 0);
}

static void bus_master(struct virtio_dev *d, bool on)
{
	struct net *n = to_net(d);

	for (unsigned i = 0; !n->user && n->running && i < n->active; i++) {
		if (connect_pair(&n->pair[i], on))
			virtio_broken(d, "queues cannot be started");
	}
}

static void cfg_read(struct virtio_dev *d, unsigned off, unsigned size, u64 *val)
{
	const struct net *n = to_net(d);
	u8 image[NET_CFG_LEN + 8] = { 0 };

	*val = 0;
	if (off >= NET_CFG_LEN)
		return;
	memcpy(image + NET_CFG_MAC, n->mac, sizeof(n->mac));
	put_le(image + NET_CFG_STATUS, 2, NET_S_LINK_UP);
	put_le(image + NET_CFG_PAIRS, 2, n->n_pairs);
	put_le(image + NET_CFG_MTU, 2, MIN(n->tap.mtu, 65535));
	*val = get_le(image + off, size);
}

static void destroy(struct virtio_dev *d)
{
	struct net *n = to_net(d);

	if (n->running)
		stop(n);
	for (unsigned i = 0; i < n->n_pairs; i++) {
		struct net_pair *p = &n->pair[i];

		event_del(&p->src);
		event_del(&p->miss);
		event_bell_fini(&p->gave_up);
		vhost_ring_fini(&p->ring[0]);
		vhost_ring_fini(&p->ring[1]);
		if (p->tlb.vh)
			dma_watch(n->vd.fn.dma, NULL, NULL);
		vhost_tlb_fini(&p->tlb);
		vhost_close(&p->vh);
	}
	event_timer_fini(&n->rx.timer);
	event_timer_fini(&n->tx.timer);
	if (n->vd.q)
		virtio_fini(&n->vd);
	tap_close(&n->tap);
	free(n->frame);
	free(n->pair);
	free(n->id);
	free(n);
}

static const struct virtio_ops net_ops = {
	.cfg_read = cfg_read,
	.refuse = refuse,
	.start = start,
	.notify = notify,
	.reset = reset,
	.destroy = destroy,
	.bus_master = bus_master,
};

/* --- creation --- */

/* Locally administered and the same at every start. The interface's name is in it too: two VMs with a net0 each may share a bridge. */
static void set_mac(struct net *n, const struct net_cfg *cfg)
{
	const char *const part[] = { n->tap.name, "/", n->id };
	u64 h = 0xcbf29ce484222325; /* FNV-1a */

	for (unsigned i = 0; i < ARRAY_SIZE(part); i++) {
		for (const char *s = part[i]; *s; s++)
			h = (h ^ (u8)*s) * 0x100000001b3;
	}
	n->mac[0] = 0x02;
	put_le(n->mac + 1, 5, h >> 20);
	if (cfg->mac_set)
		memcpy(n->mac, cfg->mac, sizeof(n->mac));
}

static int fail_vhost(const char *id, int err)
{
	if (err == -EACCES || err == -EPERM)
		log_error("%s: no permission for " VHOST_NODE ": add this user to its group (kvm), or run as root", id);
	else if (err == -ENOTSUP)
		log_error("%s: the vhost-net of this kernel is too old", id);
	else
		log_error("%s: " VHOST_NODE ": %s", id, strerror(-err));
	return EXIT_HOST;
}

/* Rate limits are ours to keep; and a host without the module is served more slowly. */
static int open_vhost(struct net *n, const struct net_cfg *cfg)
{
	n->user = cfg->bps || cfg->pps;
	for (unsigned i = 0; !n->user && i < n->n_pairs; i++) {
		int err = vhost_open(VHOST_NODE, &n->pair[i].vh);

		if (!i && (err == -ENOENT || err == -ENODEV || err == -ENXIO)) {
			log_warn("%s: this host has no " VHOST_NODE ", the network is slower without (modprobe vhost_net)", n->id);
			n->user = true;
		} else if (err) {
			return fail_vhost(n->id, err);
		} else if (cfg->viommu == ON && !vhost_tlb_able(&n->pair[i].vh)) {
			log_warn("%s: the vhost-net of this host cannot follow a vIOMMU (no device IOTLB, or experimental_zcopytx is on), "
				 "the network is slower without", n->id);
			n->user = true;
			for (unsigned j = 0; j <= i; j++)
				vhost_close(&n->pair[j].vh);
		}
	}
	return 0;
}

static int init_virtio(const struct dev_ctx *ctx, struct net *n, const struct net_cfg *cfg)
{
	struct virtio_spec spec = {
		.type = 1,
		.class_rev = 0x020000 << 8,
		.features = BIT(NET_F_CSUM) | BIT(NET_F_GUEST_CSUM) | BIT(NET_F_CTRL_GUEST_OFFLOADS) | BIT(NET_F_MAC) | BIT(NET_F_GUEST_TSO4) |
			    BIT(NET_F_GUEST_TSO6) | BIT(NET_F_GUEST_ECN) | BIT(NET_F_HOST_TSO4) | BIT(NET_F_HOST_TSO6) | BIT(NET_F_HOST_ECN) |
			    BIT(NET_F_STATUS) | BIT(NET_F_CTRL_VQ),
		.n_queues = 2 * n->n_pairs + 1,
		.cfg_len = NET_CFG_LEN,
		.queue_size = VIRTIO_QUEUE_SIZE,
		.n_kernel = n->user ? 0 : 2 * n->n_pairs,
		.viommu = cfg->viommu == ON,
	};

	spec.features |= n->n_pairs > 1 ? BIT(NET_F_MQ) : 0;
	spec.features |= n->tap.ufo ? BIT(NET_F_GUEST_UFO) | BIT(NET_F_HOST_UFO) : 0;
	spec.features |= n->tap.mtu != 1500 && n->tap.mtu >= 68 ? BIT(NET_F_MTU) : 0;
	spec.features |= n->user ? 0 : n->pair[0].vh.features & BIT(NET_F_MRG_RXBUF);
	return virtio_init(&n->vd, ctx, &net_ops, &spec, n->id);
}

static int init_dir(struct event *ev, struct net_dir *dir, const struct net_cfg *cfg, void (*fn)(void *arg), void *arg)
{
	dir->limited = cfg->bps || cfg->pps;
	rate_init(&dir->rate, cfg->bps, cfg->pps, rate_now_ns());
	return dir->limited ? event_timer_init(ev, &dir->timer, fn, arg) : 0;
}

static int init_tlb(struct net *n, struct net_pair *p)
{
	int err = vhost_tlb_init(&p->tlb, &p->vh, n->vd.fn.dma, n->vd.ctx->mem);

	dma_watch(n->vd.fn.dma, on_gone, n);
	if (!err)
		err = event_add(n->vd.ctx->ev, &p->miss, p->vh.fd, EPOLLIN, on_miss, p);
	return err ? err : event_bell_init(n->vd.ctx->ev, &p->gave_up, on_gave_up, p);
}

static int init_queues(const struct dev_ctx *ctx, struct net *n, const struct net_cfg *cfg)
{
	int err = init_dir(ctx->ev, &n->rx, cfg, on_rx_time, n);

	if (!err)
		err = init_dir(ctx->ev, &n->tx, cfg, on_tx_time, n);
	for (unsigned i = 0; !err && i < n->n_pairs; i++) {
		struct net_pair *p = &n->pair[i];

		p->rx = &n->vd.q[2 * i];
		p->tx = &n->vd.q[2 * i + 1];
		if (n->user) {
			/* Edge-triggered: a frame that finds no buffer must not keep the thread awake. */
			err = event_add(ctx->ev, &p->src, n->tap.fd[i], EPOLLIN | EPOLLET, on_tap, p);
			continue;
		}
		err = cfg->viommu == ON ? init_tlb(n, p) : 0;
		if (!err)
			err = vhost_ring_init(&p->ring[0], &p->vh, 0, p->rx);
		if (!err)
			err = vhost_ring_init(&p->ring[1], &p->vh, 1, p->tx);
		if (!err && p->tlb.vh)
			p->ring[0].err_fd = p->ring[1].err_fd = p->gave_up.src.fd;
	}
	return err;
}

static unsigned n_pairs(const struct net_cfg *cfg)
{
	return MIN(MAX(cfg->queues, 1), TAP_MAX_QUEUES);
}

static struct net *net_alloc(const struct net_cfg *cfg)
{
	struct net *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->n_pairs = n_pairs(cfg);
	n->pair = calloc(n->n_pairs, sizeof(*n->pair));
	n->frame = malloc(FRAME_MAX);
	n->id = strdup(cfg->id ? cfg->id : "net");
	for (unsigned i = 0; n->pair && i < n->n_pairs; i++) {
		n->pair[i].n = n;
		n->pair[i].vh.fd = -1;
	}
	if (n->pair && n->frame && n->id)
		return n;
	free(n->pair);
	free(n->frame);
	free(n->id);
	free(n);
	return NULL;
}

int virtio_net_create_on(const struct dev_ctx *ctx, const struct net_cfg *cfg, const struct tap *tap)
{
	struct net *n = net_alloc(cfg);
	int status, err;

	if (!n) {
		struct tap t = *tap;

		tap_close(&t);
		return virtio_init_error("--net", -ENOMEM);
	}
	n->tap = *tap;
	set_mac(n, cfg);
	status = ctx->offline ? 0 : open_vhost(n, cfg);
	if (!status) {
		err = init_virtio(ctx, n, cfg);
		if (!err && !ctx->offline)
			err = init_queues(ctx, n, cfg);
		if (!err)
			err = virtio_plug(&n->vd);
		status = err ? virtio_init_error(n->id, err) : 0;
	}
	if (status)
		destroy(&n->vd);
	return status;
}

int virtio_net_create(const struct dev_ctx *ctx, const struct net_cfg *cfg)
{
	struct tap tap = { .mtu = 1500 };
	int status = ctx->offline ? 0 : tap_open(cfg, n_pairs(cfg), &tap);

	return status ? status : virtio_net_create_on(ctx, cfg, &tap);
}
