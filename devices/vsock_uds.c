/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock (virtio 1.2 section 5.10) over Unix sockets of the host. A connection's life:
 *
 * - from the host: accept, HANDSHAKE until "CONNECT port\n" is read, REQUEST to the guest, REQUESTED until its RESPONSE, "OK port\n", OPEN;
 * - from the guest: REQUEST, connect to PATH_port, RESPONSE, OPEN.
 *
 * OPEN: what the guest sends waits in the connection's buffer until the host takes it; the buffer's size is the credit the guest has. Data for the
 * guest is read from the socket only when the guest has a buffer and gives credit for it, so the socket's own queue is what holds a fast
 * writer back. Either side may close one direction. The end is always an RST to the guest, or one from it.
 *
 * All of this runs on the event thread under fn.lock. reset() may come from a vCPU: it only marks connections as dead and wakes the event thread,
 * as event sources can be removed there alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/virtio_regs.h"
#include "devices/vsock.h"
#include "vmm/config.h"
#include "vmm/host_error.h"
#include "vmm/log.h"

#define QUEUE_SIZE 128
#define MAX_CONNS 256
#define MAX_RSTS (2 * MAX_CONNS)  /* every connection may end at once while as many RSTs wait */
#define OUT_BYTES 65536U          /* per connection; a power of two */
#define DATA_MAX 65536U
#define LINE_MAX_LEN 32
#define ROUND 64                  /* packets before others on the event thread come */
#define FIRST_PORT (1U << 30)
#define LISTEN_EVENTS (EPOLLIN | EPOLLET)
#define PORT_SUFFIX 12            /* "_4294967295" */

enum conn_state { HANDSHAKE, REQUESTED, OPEN };

/* Packets that wait to be sent to the guest, in this order. */
enum { PEND_REQUEST = 1, PEND_RESPONSE = 2, PEND_SHUTDOWN = 4, PEND_CREDIT = 8 };

struct uds;

struct conn {
	struct uds *u;
	struct event_src src;
	int fd;
	enum conn_state state;
	u32 host_port, guest_port;
	u8 pend;
	bool dead;               /* of before a reset */
	bool readable, hung_up;  /* what epoll said last */
	bool eof, eof_told;      /* the host sends no more; the guest knows */
	u8 guest_shut;           /* VSOCK_SHUT_* the guest sent */
	bool wr_shut;            /* passed on to the host */
	u32 peer_alloc, peer_fwd, tx_cnt; /* credit for the guest's buffer */
	u32 fwd_cnt, fwd_told;   /* bytes the host took, and the last count the guest was told */
	u32 out_head, out_len;
	u8 out[OUT_BYTES];
};

struct rst {
	u32 host_port, guest_port;
};

struct uds {
	struct virtio_dev vd;    /* first member */
	u32 cid;
	char *path;
	int listen_fd;
	dev_t dev;               /* of the socket file */
	ino_t ino;
	struct event_src listen; /* edge-triggered */
	bool held_up;            /* the host has no descriptor for who waits there */
	u32 next_port;
	struct conn *conn[MAX_CONNS]; /* dense */
	unsigned n_conns, turn;
	struct rst rst[MAX_RSTS];
	unsigned rst_head, n_rsts;
	bool tx_stalled;         /* the transmit queue waits for room for RSTs */
	bool have_buf;           /* buf was taken from the receive queue for the next packet */
	struct vq_chain buf, chain;
	u8 data[DATA_MAX];
};

static struct uds *to_uds(struct virtio_dev *d)
{
	return CONTAINER_OF(d, struct uds, vd);
}

static bool serving(const struct uds *u)
{
	return (u->vd.status & VIRTIO_STATUS_DRIVER_OK) && !u->vd.broken && pci_bus_master_on(&u->vd.fn);
}

/* --- connections --- */

static struct conn *find(struct uds *u, u32 host_port, u32 guest_port)
{
	for (unsigned i = 0; i < u->n_conns; i++) {
		struct conn *c = u->conn[i];

		if (!c->dead && c->state != HANDSHAKE && c->host_port == host_port && c->guest_port == guest_port)
			return c;
	}
	return NULL;
}

static void conn_free(struct conn *c)
{
	struct uds *u = c->u;

	for (unsigned i = 0; i < u->n_conns; i++) {
		if (u->conn[i] == c) {
			u->conn[i] = u->conn[--u->n_conns];
			break;
		}
	}
	event_del(&c->src);
	close(c->fd);
	free(c);
	if (u->held_up)
		(void)!event_mod(&u->listen, LISTEN_EVENTS);
	u->held_up = false;
}

/* Callers on the transmit queue's way made sure of room; of the others there is one per connection. */
static void queue_rst(struct uds *u, u32 host_port, u32 guest_port)
{
	if (u->n_rsts < MAX_RSTS)
		u->rst[(u->rst_head + u->n_rsts++) % MAX_RSTS] = (struct rst){ host_port, guest_port };
}

static void conn_abort(struct conn *c)
{
	if (!c->dead && c->state != HANDSHAKE && !(c->pend & PEND_REQUEST))
		queue_rst(c->u, c->host_port, c->guest_port);
	conn_free(c);
}

static void on_conn(void *arg, u32 events);

/* Takes over fd. NULL: no room for it. */
static struct conn *conn_new(struct uds *u, int fd, enum conn_state state)
{
	struct conn *c = u->n_conns < MAX_CONNS ? calloc(1, sizeof(*c)) : NULL;

	if (!c)
		goto close_fd;
	c->u = u;
	c->fd = fd;
	c->state = state;
	if (event_add(u->vd.ctx->ev, &c->src, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_conn, c))
		goto free_conn;
	u->conn[u->n_conns++] = c;
	return c;
free_conn:
	free(c);
close_fd:
	close(fd);
	return NULL;
}

/* A connection that both sides are done with ends. False if it did. */
static bool settle(struct conn *c)
{
	if (c->out_len || !(c->guest_shut & VSOCK_SHUT_SEND))
		return true;
	if (!c->wr_shut)
		(void)shutdown(c->fd, SHUT_WR);
	c->wr_shut = true;
	if (!(c->guest_shut & VSOCK_SHUT_RCV) && !c->eof_told)
		return true;
	conn_abort(c);
	return false;
}

/* Gives the host what waits for it. False: the connection ended. */
static bool flush(struct conn *c)
{
	while (c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_head, MIN(c->out_len, OUT_BYTES - c->out_head), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			conn_abort(c);
			return false;
		}
		c->out_head = (c->out_head + (u32)n) % OUT_BYTES;
		c->out_len -= (u32)n;
		c->fwd_cnt += (u32)n;
	}
	if (c->fwd_cnt - c->fwd_told >= OUT_BYTES / 4)
		c->pend |= PEND_CREDIT;
	return settle(c);
}

static void push_out(struct conn *c, const u8 *buf, u32 len)
{
	u32 at = (c->out_head + c->out_len) % OUT_BYTES, part = MIN(len, OUT_BYTES - at);

	memcpy(c->out + at, buf, part);
	memcpy(c->out, buf + part, len - part);
	c->out_len += len;
}

/* --- packets to the guest --- */

static u32 credit(const struct conn *c)
{
	u32 in_flight = c->tx_cnt - c->peer_fwd;

	return in_flight < c->peer_alloc ? c->peer_alloc - in_flight : 0;
}

static bool can_read(const struct conn *c)
{
	return c->state == OPEN && c->readable && !c->eof && !(c->guest_shut & VSOCK_SHUT_RCV) && credit(c);
}

static struct conn *next_conn(struct uds *u)
{
	for (unsigned i = 0; i < u->n_conns; i++) {
		struct conn *c = u->conn[(u->turn + i) % u->n_conns];

		if (!c->dead && (c->pend || can_read(c))) {
			u->turn = (u->turn + i + 1) % u->n_conns;
			return c;
		}
	}
	return NULL;
}

static void put_packet(struct uds *u, u32 host_port, u32 guest_port, u16 op, u32 flags)
{
	u8 hdr[VSOCK_HDR_LEN] = { 0 };
	s64 n;

	put_le(hdr + VSOCK_HDR_SRC_CID, 8, VSOCK_HOST_CID);
	put_le(hdr + VSOCK_HDR_DST_CID, 8, u->cid);
	put_le(hdr + VSOCK_HDR_SRC_PORT, 4, host_port);
	put_le(hdr + VSOCK_HDR_DST_PORT, 4, guest_port);
	put_le(hdr + VSOCK_HDR_TYPE, 2, VSOCK_TYPE_STREAM);
	put_le(hdr + VSOCK_HDR_OP, 2, op);
	put_le(hdr + VSOCK_HDR_FLAGS, 4, flags);
	n = vq_chain_write(&u->vd, &u->buf, 0, hdr, sizeof(hdr));
	vq_push(&u->vd.q[VSOCK_Q_RX], u->buf.head, n < 0 ? 0 : (u32)n);
	u->have_buf = false;
}

/* A packet of a connection: with its credit, and len bytes of u->data. */
static void put_conn_packet(struct conn *c, u16 op, u32 flags, u32 len)
{
	struct uds *u = c->u;
	u8 hdr[VSOCK_HDR_LEN] = { 0 };
	s64 n;

	put_le(hdr + VSOCK_HDR_SRC_CID, 8, VSOCK_HOST_CID);
	put_le(hdr + VSOCK_HDR_DST_CID, 8, u->cid);
	put_le(hdr + VSOCK_HDR_SRC_PORT, 4, c->host_port);
	put_le(hdr + VSOCK_HDR_DST_PORT, 4, c->guest_port);
	put_le(hdr + VSOCK_HDR_DATA_LEN, 4, len);
	put_le(hdr + VSOCK_HDR_TYPE, 2, VSOCK_TYPE_STREAM);
	put_le(hdr + VSOCK_HDR_OP, 2, op);
	put_le(hdr + VSOCK_HDR_FLAGS, 4, flags);
	put_le(hdr + VSOCK_HDR_BUF_ALLOC, 4, OUT_BYTES);
	put_le(hdr + VSOCK_HDR_FWD_CNT, 4, c->fwd_cnt);
	c->fwd_told = c->fwd_cnt;
	c->pend &= (u8)~PEND_CREDIT;
	n = vq_chain_write(&u->vd, &u->buf, 0, hdr, sizeof(hdr));
	if (n == sizeof(hdr) && len)
		n += vq_chain_write(&u->vd, &u->buf, sizeof(hdr), u->data, len);
	vq_push(&u->vd.q[VSOCK_Q_RX], u->buf.head, n < 0 ? 0 : (u32)n);
	u->have_buf = false;
}

/* u->buf is there. True if it was used; c may be gone. */
static bool put_data(struct conn *c)
{
	struct uds *u = c->u;
	u64 room = MIN(u->buf.in_len - VSOCK_HDR_LEN, MIN(credit(c), DATA_MAX));
	ssize_t n = recv(c->fd, u->data, room, MSG_DONTWAIT);

	if (n > 0) {
		c->tx_cnt += (u32)n;
		put_conn_packet(c, VSOCK_OP_RW, 0, (u32)n);
		return true;
	}
	if (n == 0) {
		c->eof = true;
		c->pend |= PEND_SHUTDOWN;
	} else if (errno == EAGAIN) {
		c->readable = false;
	} else if (errno != EINTR) {
		conn_abort(c);
	}
	return false;
}

/* Sends the next thing c has to say. */
static void put_next(struct conn *c)
{
	if (c->pend & PEND_REQUEST) {
		c->pend &= (u8)~PEND_REQUEST;
		put_conn_packet(c, VSOCK_OP_REQUEST, 0, 0);
	} else if (c->pend & PEND_RESPONSE) {
		c->pend &= (u8)~PEND_RESPONSE;
		put_conn_packet(c, VSOCK_OP_RESPONSE, 0, 0);
	} else if (can_read(c)) {
		(void)put_data(c);
	} else if (c->pend & PEND_SHUTDOWN) {
		c->pend &= (u8)~PEND_SHUTDOWN;
		c->eof_told = true;
		put_conn_packet(c, VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND | (c->hung_up ? VSOCK_SHUT_RCV : 0), 0);
		(void)settle(c);
	} else {
		put_conn_packet(c, VSOCK_OP_CREDIT_UPDATE, 0, 0);
	}
}

static bool take_buf(struct uds *u)
{
	struct vq *q = &u->vd.q[VSOCK_Q_RX];

	while (!u->have_buf) {
		if (vq_pop(q, &u->buf) == 1) {
			if (u->buf.in_len > VSOCK_HDR_LEN)
				u->have_buf = true;
			else
				virtio_broken(&u->vd, "receive buffer without room for a packet");
		} else if (!vq_enable_bell(q, true)) {
			return false;
		}
	}
	return true;
}

/* Sends the guest what there is, as far as it has buffers. */
static void pump(struct uds *u)
{
	unsigned budget = ROUND;
	struct conn *c = NULL;

	if (!serving(u))
		return;
	while (budget && (u->n_rsts || (c = next_conn(u))) && take_buf(u)) {
		budget--;
		if (u->n_rsts) {
			struct rst r = u->rst[u->rst_head];

			u->rst_head = (u->rst_head + 1) % MAX_RSTS;
			u->n_rsts--;
			put_packet(u, r.host_port, r.guest_port, VSOCK_OP_RST, 0);
		} else {
			put_next(c);
		}
	}
	if (!budget)
		virtio_kick(&u->vd.q[VSOCK_Q_RX]);
	if (u->tx_stalled && u->n_rsts < MAX_RSTS - MAX_CONNS) {
		u->tx_stalled = false;
		virtio_kick(&u->vd.q[VSOCK_Q_TX]);
	}
	vq_notify_driver(&u->vd.q[VSOCK_Q_RX]);
}

/* --- from the host --- */

static u32 new_port(struct uds *u)
{
	bool used;

	do {
		u->next_port = u->next_port >= UINT32_MAX - 1 ? FIRST_PORT : u->next_port + 1;
		used = false;
		for (unsigned i = 0; i < u->n_conns; i++)
			used |= u->conn[i]->state != HANDSHAKE && u->conn[i]->host_port == u->next_port;
	} while (used);
	return u->next_port;
}

/* "CONNECT 1234\n" -> 1234. */
static bool parse_connect(const char *line, u32 *port)
{
	static const char word[] = "CONNECT ";
	size_t digits;
	u64 v;

	if (strncmp(line, word, sizeof(word) - 1) != 0)
		return false;
	line += sizeof(word) - 1;
	digits = strspn(line, "0123456789");
	if (!digits || digits > 10 || line[digits] != '\n')
		return false;
	v = strtoull(line, NULL, 10);
	if (v > UINT32_MAX)
		return false;
	*port = (u32)v;
	return true;
}

/* Reads the line and not a byte more: what follows is the guest's. */
static void handshake(struct conn *c)
{
	char line[LINE_MAX_LEN + 1] = { 0 };
	ssize_t n = recv(c->fd, line, LINE_MAX_LEN, MSG_PEEK | MSG_DONTWAIT);
	const char *end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;

	if (!end) {
		if (n == 0 || n == LINE_MAX_LEN || (n < 0 && errno != EAGAIN && errno != EINTR))
			conn_free(c);
		return;
	}
	line[end - line + 1] = 0;
	if (recv(c->fd, line, (size_t)(end - line + 1), MSG_DONTWAIT) != end - line + 1 || !parse_connect(line, &c->guest_port) || !serving(c->u)) {
		conn_free(c);
		return;
	}
	c->host_port = new_port(c->u);
	c->state = REQUESTED;
	c->pend = PEND_REQUEST;
}

static void on_conn(void *arg, u32 events)
{
	struct conn *c = arg;
	struct uds *u = c->u;

	pthread_mutex_lock(&u->vd.fn.lock);
	c->readable |= (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	c->hung_up |= (events & (EPOLLHUP | EPOLLERR)) != 0;
	if (c->dead)
		conn_free(c);
	else if (c->state == HANDSHAKE)
		handshake(c);
	else if (c->state == OPEN)
		(void)flush(c);
	pump(u);
	pthread_mutex_unlock(&u->vd.fn.lock);
}

/* True if another one may wait. */
static bool take_one(struct uds *u)
{
	int fd = accept4(u->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return errno != EAGAIN;
	if (fd < 0) {
		log_guest("vsock: a connection from the host has to wait: %s", host_error_text(-errno));
		u->held_up = true;
		return false;
	}
	pthread_mutex_lock(&u->vd.fn.lock);
	if (!conn_new(u, fd, HANDSHAKE))
		log_guest("vsock: more than %u connections: one is refused", MAX_CONNS);
	pthread_mutex_unlock(&u->vd.fn.lock);
	return true;
}

/* One that cannot be taken for want of a descriptor waits for the end of another, or for the next: the socket stays readable all the time. */
static void on_listen(void *arg, u32 events)
{
	struct uds *u = arg;
	unsigned n = 0;

	while (n < ROUND && take_one(u))
		n++;
	if (n == ROUND)
		(void)!event_mod(&u->listen, LISTEN_EVENTS);
}

/* --- from the guest --- */

struct packet {
	u64 src_cid, dst_cid;
	u32 src_port, dst_port, len, flags, buf_alloc, fwd_cnt;
	u16 type, op;
};

static void parse_packet(const u8 *hdr, struct packet *p)
{
	p->src_cid = get_le(hdr + VSOCK_HDR_SRC_CID, 8);
	p->dst_cid = get_le(hdr + VSOCK_HDR_DST_CID, 8);
	p->src_port = (u32)get_le(hdr + VSOCK_HDR_SRC_PORT, 4);
	p->dst_port = (u32)get_le(hdr + VSOCK_HDR_DST_PORT, 4);
	p->len = (u32)get_le(hdr + VSOCK_HDR_DATA_LEN, 4);
	p->type = (u16)get_le(hdr + VSOCK_HDR_TYPE, 2);
	p->op = (u16)get_le(hdr + VSOCK_HDR_OP, 2);
	p->flags = (u32)get_le(hdr + VSOCK_HDR_FLAGS, 4);
	p->buf_alloc = (u32)get_le(hdr + VSOCK_HDR_BUF_ALLOC, 4);
	p->fwd_cnt = (u32)get_le(hdr + VSOCK_HDR_FWD_CNT, 4);
}

static struct conn *connect_host(struct uds *u, u32 port)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return NULL;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s_%u", u->path, port);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		log_debug("vsock: %s: %s", sa.sun_path, strerror(errno));
		close(fd);
		return NULL;
	}
	return conn_new(u, fd, OPEN);
}

static void on_request(struct uds *u, const struct packet *p)
{
	struct conn *c = connect_host(u, p->dst_port);

	if (!c) {
		queue_rst(u, p->dst_port, p->src_port);
		return;
	}
	c->host_port = p->dst_port;
	c->guest_port = p->src_port;
	c->peer_alloc = p->buf_alloc;
	c->peer_fwd = p->fwd_cnt;
	c->pend = PEND_RESPONSE;
}

static void on_response(struct conn *c)
{
	char line[LINE_MAX_LEN];
	int n = snprintf(line, sizeof(line), "OK %u\n", c->host_port);

	if (c->state != REQUESTED) {
		conn_abort(c);
		return;
	}
	c->state = OPEN;
	/* Not data of the guest: it does not count as credit. The socket is empty, so it fits or the host is gone. */
	if (send(c->fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
		conn_abort(c);
}

static void on_data(struct conn *c, const struct packet *p)
{
	struct uds *u = c->u;

	/* More than the credit it has, or after it said that it would send no more. */
	if (c->state != OPEN || (c->guest_shut & VSOCK_SHUT_SEND) || p->len > OUT_BYTES - c->out_len ||
	    vq_chain_read(&u->vd, &u->chain, VSOCK_HDR_LEN, u->data, p->len) != p->len) {
		conn_abort(c);
		return;
	}
	push_out(c, u->data, p->len);
	(void)flush(c);
}

static void on_packet(struct conn *c, const struct packet *p)
{
	c->peer_alloc = p->buf_alloc;
	c->peer_fwd = p->fwd_cnt;
	switch (p->op) {
	case VSOCK_OP_RESPONSE:
		on_response(c);
		break;
	case VSOCK_OP_RST:
		conn_free(c);
		break;
	case VSOCK_OP_SHUTDOWN:
		c->guest_shut |= p->flags & (VSOCK_SHUT_RCV | VSOCK_SHUT_SEND);
		(void)settle(c);
		break;
	case VSOCK_OP_RW:
		on_data(c, p);
		break;
	case VSOCK_OP_CREDIT_UPDATE:
		break;
	case VSOCK_OP_CREDIT_REQUEST:
		c->pend |= PEND_CREDIT;
		break;
	default:
		conn_abort(c);
	}
}

static void from_guest(struct uds *u)
{
	u8 hdr[VSOCK_HDR_LEN];
	struct packet p;
	struct conn *c;

	if (vq_chain_read(&u->vd, &u->chain, 0, hdr, sizeof(hdr)) != sizeof(hdr)) {
		log_guest("vsock: packet without a whole header");
		return;
	}
	parse_packet(hdr, &p);
	if (p.src_cid != u->cid)
		return;
	c = p.dst_cid == VSOCK_HOST_CID && p.type == VSOCK_TYPE_STREAM ? find(u, p.dst_port, p.src_port) : NULL;
	if (c && p.op != VSOCK_OP_REQUEST)
		on_packet(c, &p);
	else if (c)
		conn_abort(c);
	else if (p.op == VSOCK_OP_REQUEST && p.dst_cid == VSOCK_HOST_CID && p.type == VSOCK_TYPE_STREAM)
		on_request(u, &p);
	else if (p.op != VSOCK_OP_RST)
		queue_rst(u, p.dst_port, p.src_port);
}

static void transmit(struct uds *u, struct vq *q)
{
	unsigned budget = ROUND;

	vq_enable_bell(q, false);
	do {
		while (budget && u->n_rsts < MAX_RSTS - MAX_CONNS && vq_pop(q, &u->chain) == 1) {
			from_guest(u);
			vq_push(q, u->chain.head, 0);
			budget--;
		}
		u->tx_stalled = u->n_rsts >= MAX_RSTS - MAX_CONNS;
		if (!budget)
			virtio_kick(q);
	} while (budget && !u->tx_stalled && vq_enable_bell(q, true));
	vq_notify_driver(q);
}

/* --- device --- */

static void notify(struct virtio_dev *d, struct vq *q)
{
	struct uds *u = to_uds(d);

	if (q->index == VSOCK_Q_TX)
		transmit(u, q);
	if (q->index != VSOCK_Q_EVENT)
		pump(u);
}

static void cfg_read(struct virtio_dev *d, unsigned off, unsigned size, u64 *val)
{
	vsock_cfg_read(to_uds(d)->cid, off, size, val);
}

static void reset(struct virtio_dev *d)
{
	struct uds *u = to_uds(d);

	u->have_buf = u->tx_stalled = false;
	u->n_rsts = 0;
	for (unsigned i = 0; i < u->n_conns; i++) {
		u->conn[i]->dead = true;
		/* Wakes its event source too, which then frees it. */
		(void)shutdown(u->conn[i]->fd, SHUT_RDWR);
	}
}

static void destroy(struct virtio_dev *d)
{
	struct uds *u = to_uds(d);
	struct stat st;

	while (u->n_conns)
		conn_free(u->conn[0]);
	event_del(&u->listen);
	if (u->listen_fd >= 0) {
		close(u->listen_fd);
		if (lstat(u->path, &st) == 0 && st.st_dev == u->dev && st.st_ino == u->ino)
			unlink(u->path);
	}
	if (d->q)
		virtio_fini(d);
	free(u->path);
	free(u);
}

static const struct virtio_ops uds_ops = {
	.cfg_read = cfg_read,
	.notify = notify,
	.reset = reset,
	.destroy = destroy,
};

/* --- creation --- */

/* Makes way for our socket: a socket file that nobody listens on is removed. */
static int clear_path(const struct sockaddr_un *sa)
{
	struct stat st;
	int fd, err;

	if (lstat(sa->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		log_error("--vsock uds=%s: exists and is not a socket: give another path", sa->sun_path);
		return EXIT_NOINPUT;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = fd < 0 || connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (err == ECONNREFUSED && unlink(sa->sun_path) == 0)
		return 0;
	/* EAGAIN: one that is busy. */
	if (err && err != EAGAIN) {
		log_error("--vsock uds=%s: %s", sa->sun_path, host_error_text(-err));
		return host_error_status(-err);
	}
	log_error("--vsock uds=%s: another program listens there: give another path", sa->sun_path);
	return EXIT_NOINPUT;
}

static int open_listener(struct uds *u)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	int status;

	if (strlen(u->path) + PORT_SUFFIX > sizeof(sa.sun_path)) {
		log_error("--vsock uds=%s: a socket's path has at most %zu characters", u->path, sizeof(sa.sun_path) - PORT_SUFFIX);
		return EXIT_USAGE;
	}
	memcpy(sa.sun_path, u->path, strlen(u->path) + 1);
	status = clear_path(&sa);
	if (status)
		return status;
	u->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->listen_fd < 0 || bind(u->listen_fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(u->listen_fd, 64) < 0 ||
	    lstat(u->path, &st) < 0) {
		int err = -errno;

		log_error("--vsock uds=%s: %s", u->path, host_error_text(err));
		return host_error_status(err);
	}
	u->dev = st.st_dev;
	u->ino = st.st_ino;
	return 0;
}

int vsock_uds_create(const struct dev_ctx *ctx, u32 cid, const char *path)
{
	const struct virtio_spec spec = { .type = VSOCK_TYPE, .class_rev = VSOCK_CLASS_REV, .n_queues = VSOCK_QUEUES, .cfg_len = VSOCK_CFG_LEN,
					  .queue_size = QUEUE_SIZE };
	struct uds *u = calloc(1, sizeof(*u));
	int status, err;

	if (!u)
		return virtio_init_error("vsock", -ENOMEM);
	u->listen_fd = -1;
	u->cid = cid;
	u->next_port = FIRST_PORT;
	u->path = strdup(path);
	status = u->path ? open_listener(u) : virtio_init_error("vsock", -ENOMEM);
	if (!status) {
		err = virtio_init(&u->vd, ctx, &uds_ops, &spec, "vsock");
		if (!err)
			err = event_add(ctx->ev, &u->listen, u->listen_fd, LISTEN_EVENTS, on_listen, u);
		if (!err)
			err = virtio_plug(&u->vd);
		status = err ? virtio_init_error("vsock", err) : 0;
	}
	if (status)
		destroy(&u->vd);
	return status;
}
