/* SPDX-License-Identifier: Apache-2.0 */
// wrap: accept4
#include "tests/unit/unit.h"
#include "tests/unit/virtio_drv.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "devices/vsock.h"
#include "vmm/config.h"
#include "vmm/log.h"

/* The host's side of the listener is short of descriptors; how often it was asked. */
static bool no_fd;
static unsigned accepts;

int __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	accepts++;
	if (!no_fd)
		return __real_accept4(fd, addr, len, flags);
	errno = EMFILE;
	return -1;
}

#define CID 42
#define HDR VSOCK_HDR_LEN
#define TX_AT DRV_DATA
#define RX_AT (DRV_DATA + 0x100000)
#define RX_LEN 4096
#define RX_BUFS 16
#define OUT_BYTES 65536

/* A packet as the guest sees it. */
struct pkt {
	u32 src, dst, len, flags, alloc, fwd;
	u16 op;
};

static struct drv d;
static char dir[] = "/tmp/nidus-uds-XXXXXX";
static char path[64], port_path[80];
static unsigned tx_n, rx_n, rx_posted;

static int make_dir(void **state)
{
	log_set_level(LOG_ERROR);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/v", dir);
	snprintf(port_path, sizeof(port_path), "%s_1234", path);
	return 0;
}

static int remove_dir(void **state)
{
	return rmdir(dir);
}

static void post_rx(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		u16 slot = (u16)(rx_posted++ % RX_BUFS);

		drv_desc(&d, VSOCK_Q_RX, slot, RX_AT + slot * RX_LEN, RX_LEN, F_WRITE, 0);
		drv_avail(&d, VSOCK_Q_RX, slot);
	}
	drv_kick(&d, VSOCK_Q_RX);
}

static void start(unsigned rx)
{
	drv_start(&d, 3, 64);
	tx_n = rx_n = rx_posted = 0;
	post_rx(rx);
	drv_pump(&d);
}

static int setup(void **state)
{
	drv_open(&d);
	assert_int_equal(vsock_uds_create(&d.ctx, CID, path), 0);
	drv_attach(&d);
	start(RX_BUFS);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(d.live_spans, 0);
	drv_close(&d);
	unlink(port_path);
	/* The socket file went with the device. */
	assert_int_equal(access(path, F_OK), -1);
	return 0;
}

static void send_raw(const u8 *hdr, u32 hdr_len, u32 data_len)
{
	assert_int_equal(mem_write(d.mem, TX_AT, hdr, hdr_len), 0);
	drv_desc(&d, VSOCK_Q_TX, 0, TX_AT, hdr_len, data_len ? F_NEXT : 0, 1);
	drv_desc(&d, VSOCK_Q_TX, 1, TX_AT + 0x1000, data_len, 0, 0);
	drv_avail(&d, VSOCK_Q_TX, 0);
	drv_kick(&d, VSOCK_Q_TX);
	drv_pump(&d);
	assert_int_equal(drv_used_idx(&d, VSOCK_Q_TX), (u16)++tx_n);
}

static void fill_hdr(u8 *hdr, const struct pkt *p)
{
	memset(hdr, 0, HDR);
	put_le(hdr + VSOCK_HDR_SRC_CID, 8, CID);
	put_le(hdr + VSOCK_HDR_DST_CID, 8, VSOCK_HOST_CID);
	put_le(hdr + VSOCK_HDR_SRC_PORT, 4, p->src);
	put_le(hdr + VSOCK_HDR_DST_PORT, 4, p->dst);
	put_le(hdr + VSOCK_HDR_DATA_LEN, 4, p->len);
	put_le(hdr + VSOCK_HDR_TYPE, 2, VSOCK_TYPE_STREAM);
	put_le(hdr + VSOCK_HDR_OP, 2, p->op);
	put_le(hdr + VSOCK_HDR_FLAGS, 4, p->flags);
	put_le(hdr + VSOCK_HDR_BUF_ALLOC, 4, p->alloc);
	put_le(hdr + VSOCK_HDR_FWD_CNT, 4, p->fwd);
}

static void send_pkt(struct pkt p)
{
	u8 hdr[HDR];

	fill_hdr(hdr, &p);
	send_raw(hdr, HDR, p.len);
}

/* The next packet for the guest; op 0: none. Its data stays where it is. */
static struct pkt next(u64 *data)
{
	struct pkt p = { 0 };
	u64 at = RX_AT + (rx_n % RX_BUFS) * RX_LEN;

	drv_pump(&d);
	if (drv_used_idx(&d, VSOCK_Q_RX) == (u16)rx_n)
		return p;
	assert_int_equal(drv_ram(&d, at + VSOCK_HDR_SRC_CID, 8), VSOCK_HOST_CID);
	assert_int_equal(drv_ram(&d, at + VSOCK_HDR_DST_CID, 8), CID);
	p.src = (u32)drv_ram(&d, at + VSOCK_HDR_SRC_PORT, 4);
	p.dst = (u32)drv_ram(&d, at + VSOCK_HDR_DST_PORT, 4);
	p.len = (u32)drv_ram(&d, at + VSOCK_HDR_DATA_LEN, 4);
	p.op = (u16)drv_ram(&d, at + VSOCK_HDR_OP, 2);
	p.flags = (u32)drv_ram(&d, at + VSOCK_HDR_FLAGS, 4);
	p.alloc = (u32)drv_ram(&d, at + VSOCK_HDR_BUF_ALLOC, 4);
	p.fwd = (u32)drv_ram(&d, at + VSOCK_HDR_FWD_CNT, 4);
	assert_int_equal(drv_used_len(&d, VSOCK_Q_RX, (u16)rx_n), HDR + p.len);
	if (data)
		*data = at + HDR;
	rx_n++;
	post_rx(1);
	return p;
}

static int unix_socket(const char *to, bool listening)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", to);
	if (listening) {
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
		assert_int_equal(listen(fd, 8), 0);
	} else {
		assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	}
	return fd;
}

/* A connection from the host to the guest's port 77, answered with that much credit. *port is the host's. */
static int from_host(u32 alloc, u32 *port)
{
	int fd = unix_socket(path, false);
	char line[32] = { 0 }, want[32];
	struct pkt p;

	assert_int_equal(write(fd, "CONNECT 77\nmore", 15), 15);
	p = next(NULL);
	assert_int_equal(p.op, VSOCK_OP_REQUEST);
	assert_int_equal(p.dst, 77);
	assert_int_equal(p.alloc, OUT_BYTES);
	*port = p.src;
	send_pkt((struct pkt){ .src = 77, .dst = p.src, .op = VSOCK_OP_RESPONSE, .alloc = alloc });
	assert_true(read(fd, line, sizeof(line)) > 0);
	snprintf(want, sizeof(want), "OK %u\n", p.src);
	assert_string_equal(line, want);
	return fd;
}

/* A connection from the guest's port 5 to the host's 1234; the host's end. */
static int from_guest(void)
{
	int lfd = unix_socket(port_path, true), fd;

	send_pkt((struct pkt){ .src = 5, .dst = 1234, .op = VSOCK_OP_REQUEST, .alloc = 10000 });
	assert_int_equal(next(NULL).op, VSOCK_OP_RESPONSE);
	fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);
	close(lfd);
	assert_true(fd >= 0);
	return fd;
}

static void test_host_connects_and_data_flows_both_ways(void **state)
{
	char got[64];
	u64 at;
	u32 port;
	struct pkt p;
	int fd = from_host(1000, &port);

	p = next(&at);
	assert_int_equal(p.op, VSOCK_OP_RW);
	assert_int_equal(p.len, 4);
	assert_int_equal(drv_ram(&d, at, 4), get_le("more", 4));
	drv_set_ram(&d, TX_AT + 0x1000, 8, 0x1122334455667788);
	send_pkt((struct pkt){ .src = 77, .dst = port, .op = VSOCK_OP_RW, .len = 8, .alloc = 1000 });
	assert_int_equal(read(fd, got, sizeof(got)), 8);
	assert_int_equal(get_le(got, 8), 0x1122334455667788);
	close(fd);
	p = next(NULL);
	assert_int_equal(p.op, VSOCK_OP_SHUTDOWN);
	assert_int_equal(p.flags, VSOCK_SHUT_RCV | VSOCK_SHUT_SEND);
	send_pkt((struct pkt){ .src = 77, .dst = port, .op = VSOCK_OP_RST });
	assert_int_equal(next(NULL).op, 0);
}

static void test_connections_wait_while_the_host_has_no_descriptor(void **state)
{
	int a, b, c;
	u32 port;
	char buf[8];

	c = from_host(100, &port);
	assert_int_equal(next(NULL).op, VSOCK_OP_RW);
	no_fd = true;
	accepts = 0;
	a = unix_socket(path, false);
	assert_int_equal(event_rounds(d.ev, 20), 0);
	/* Asked once, not in every round. */
	assert_int_equal(accepts, 1);
	no_fd = false;
	/* The end of another one is what makes room. */
	send_pkt((struct pkt){ .src = 77, .dst = port, .op = VSOCK_OP_RST });
	drv_pump(&d);
	assert_int_equal(write(a, "x\n", 2), 2);
	drv_pump(&d);
	errno = 0;
	assert_true(read(a, buf, sizeof(buf)) <= 0 && errno != EAGAIN);
	/* Or the next. */
	no_fd = true;
	b = unix_socket(path, false);
	drv_pump(&d);
	no_fd = false;
	close(a);
	a = unix_socket(path, false);
	assert_int_equal(write(b, "CONNECT 77\n", 11), 11);
	assert_int_equal(next(NULL).op, VSOCK_OP_REQUEST);
	close(a);
	close(b);
	close(c);
}

static void test_a_burst_of_connections_is_taken_whole(void **state)
{
	int fd[65];

	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = unix_socket(path, false);
		assert_int_equal(write(fd[i], "x\n", 2), 2);
	}
	assert_int_equal(event_rounds(d.ev, 20), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++) {
		char c;

		assert_true(read(fd[i], &c, 1) == 0 || errno == ECONNRESET);
		close(fd[i]);
	}
}

static void test_bad_handshakes_are_closed(void **state)
{
	static const char *const lines[] = {
		"HELLO\n", "CONNECT\n", "CONNECT x\n", "CONNECT -1\n", "CONNECT 4294967296\n", "CONNECT 1 \n", "\n", "CONNECT 1111111111111111111111111111\n",
	};
	char c;

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
		int fd = unix_socket(path, false);

		assert_true(write(fd, lines[i], strlen(lines[i])) > 0);
		drv_pump(&d);
		drv_pump(&d);
		assert_true(read(fd, &c, 1) == 0 || errno == ECONNRESET);
		close(fd);
	}
	assert_int_equal(next(NULL).op, 0);
}

static void test_handshake_in_pieces_works(void **state)
{
	int fd = unix_socket(path, false);

	assert_int_equal(write(fd, "CONN", 4), 4);
	drv_pump(&d);
	assert_int_equal(write(fd, "ECT 9\n", 6), 6);
	assert_int_equal(next(NULL).dst, 9);
	close(fd);
}

static void test_guest_refuses_and_the_host_sees_the_end(void **state)
{
	int fd = unix_socket(path, false);
	struct pkt p;
	char c;

	assert_int_equal(write(fd, "CONNECT 9\n", 10), 10);
	p = next(NULL);
	send_pkt((struct pkt){ .src = 9, .dst = p.src, .op = VSOCK_OP_RST });
	assert_int_equal(read(fd, &c, 1), 0);
	close(fd);
}

static void test_guest_connects_or_is_refused(void **state)
{
	char got[16];
	int fd;

	send_pkt((struct pkt){ .src = 5, .dst = 1234, .op = VSOCK_OP_REQUEST });
	assert_int_equal(next(NULL).op, VSOCK_OP_RST);
	fd = from_guest();
	drv_set_ram(&d, TX_AT + 0x1000, 4, 0xabcd);
	send_pkt((struct pkt){ .src = 5, .dst = 1234, .op = VSOCK_OP_RW, .len = 4, .alloc = 10000 });
	assert_int_equal(read(fd, got, sizeof(got)), 4);
	/* A second one from the same port breaks the first. */
	send_pkt((struct pkt){ .src = 5, .dst = 1234, .op = VSOCK_OP_REQUEST });
	assert_int_equal(next(NULL).op, VSOCK_OP_RST);
	assert_int_equal(read(fd, got, sizeof(got)), 0);
	close(fd);
}

static void test_guest_closes_one_direction_and_then_the_other(void **state)
{
	int fd = from_guest();
	char c;
	u64 at;

	send_pkt((struct pkt){ .src = 5, .dst = 1234, .op = VSOCK_OP_SHUTDOWN, .flags = VSOCK_SHUT_SEND, .alloc = 10000 });
	assert_int_equal(read(fd, &c, 1), 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(next(&at).op, VSOCK_OP_RW);
	close(fd);
	assert_int_equal(next(NULL).op, VSOCK_OP_SHUTDOWN);
	assert_int_equal(next(NULL).op, VSOCK_OP_RST);
	assert_int_equal(next(NULL).op, 0);
}

static void test_credit_bounds_what_the_guest_is_sent(void **state)
{
	char buf[500] = { 0 };
	int fd = from_guest();
	u32 sent = 0;
	struct pkt p;

	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(write(fd, buf, sizeof(buf)), sizeof(buf));
	while ((p = next(NULL)).op == VSOCK_OP_RW)
		sent += p.len;
	assert_int_equal(sent, 10000);
	send_pkt((struct pkt){ .src = 5, .dst = 1234, .op = VSOCK_OP_CREDIT_UPDATE, .alloc = 10000, .fwd = 3000 });
	while ((p = next(NULL)).op == VSOCK_OP_RW)
		sent += p.len;
	assert_int_equal(sent, 13000);
	/* A guest that claims to have taken more than it was sent has none. */
	send_pkt((struct pkt){ .src = 5, .dst = 1234, .op = VSOCK_OP_CREDIT_UPDATE, .alloc = 10000, .fwd = 0x80000000 });
	assert_int_equal(next(NULL).op, 0);
	send_pkt((struct pkt){ .src = 5, .dst = 1234, .op = VSOCK_OP_CREDIT_REQUEST, .alloc = 0, .fwd = 13000 });
	assert_int_equal(next(NULL).op, VSOCK_OP_CREDIT_UPDATE);
	close(fd);
}

static void test_guest_beyond_its_credit_is_reset(void **state)
{
	static char sink[KiB(64)];
	int fd = from_guest(), small = 1;
	unsigned n = 0;
	struct pkt p;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	/* Nobody reads: the host's socket fills, then the 64 KiB here, then the guest is told off. */
	do {
		send_pkt((struct pkt){ .src = 5, .dst = 1234, .op = VSOCK_OP_RW, .len = 30000, .alloc = 10000 });
		while ((p = next(NULL)).op == VSOCK_OP_CREDIT_UPDATE)
			;
	} while (p.op != VSOCK_OP_RST && ++n < 100);
	assert_int_equal(p.op, VSOCK_OP_RST);
	while (read(fd, sink, sizeof(sink)) > 0)
		;
	close(fd);
}

static void test_reading_host_gives_credit_back(void **state)
{
	static char sink[KiB(64)];
	int fd = from_guest();
	unsigned got = 0, updates = 0;

	for (unsigned i = 0; i < 4; i++) {
		ssize_t n;

		send_pkt((struct pkt){ .src = 5, .dst = 1234, .op = VSOCK_OP_RW, .len = 16384, .alloc = 10000 });
		drv_pump(&d);
		while ((n = read(fd, sink, sizeof(sink))) > 0)
			got += (unsigned)n;
		updates += next(NULL).op == VSOCK_OP_CREDIT_UPDATE;
	}
	assert_int_equal(got, 65536);
	assert_int_equal(updates, 4);
	close(fd);
}

static void test_hostile_packets_are_answered_with_rst_or_nothing(void **state)
{
	static const struct {
		u16 off;
		u64 val;
		unsigned size;
		u16 answer;
	} rows[] = {
		{ VSOCK_HDR_OP, VSOCK_OP_RW, 2, VSOCK_OP_RST },
		{ VSOCK_HDR_OP, VSOCK_OP_RST, 2, 0 },
		{ VSOCK_HDR_OP, 0xffff, 2, VSOCK_OP_RST },
		{ VSOCK_HDR_TYPE, 2, 2, VSOCK_OP_RST },
		{ VSOCK_HDR_SRC_CID, 43, 8, 0 },
		{ VSOCK_HDR_SRC_CID, CID | 1ULL << 32, 8, 0 },
		{ VSOCK_HDR_DST_CID, 3, 8, VSOCK_OP_RST },
	};
	u8 hdr[HDR];

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		fill_hdr(hdr, &(struct pkt){ .src = 8, .dst = 9, .op = VSOCK_OP_REQUEST });
		put_le(hdr + rows[i].off, rows[i].size, rows[i].val);
		send_raw(hdr, HDR, 0);
		assert_int_equal(next(NULL).op, rows[i].answer);
	}
	send_raw(hdr, HDR - 1, 0);
	assert_int_equal(next(NULL).op, 0);
}

static void test_data_length_beyond_the_packet_ends_the_connection(void **state)
{
	int fd = from_guest();
	u8 hdr[HDR];

	fill_hdr(hdr, &(struct pkt){ .src = 5, .dst = 1234, .op = VSOCK_OP_RW, .len = 100 });
	send_raw(hdr, HDR, 50);
	assert_int_equal(next(NULL).op, VSOCK_OP_RST);
	close(fd);
}

static void test_without_receive_buffers_packets_wait(void **state)
{
	drv_set_status(&d, 0);
	start(0);
	for (unsigned i = 0; i < 10; i++)
		send_pkt((struct pkt){ .src = i, .dst = 9, .op = VSOCK_OP_RW });
	assert_int_equal(drv_used_idx(&d, VSOCK_Q_RX), 0);
	post_rx(RX_BUFS);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(next(NULL).dst, i);
}

static void test_too_many_answers_hold_the_guest_back(void **state)
{
	u8 hdr[HDR];

	drv_set_status(&d, 0);
	start(0);
	fill_hdr(hdr, &(struct pkt){ .src = 8, .dst = 9, .op = VSOCK_OP_RW });
	assert_int_equal(mem_write(d.mem, TX_AT, hdr, HDR), 0);
	drv_desc(&d, VSOCK_Q_TX, 0, TX_AT, HDR, 0, 0);
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < 64; i++)
			drv_avail(&d, VSOCK_Q_TX, 0);
		drv_kick(&d, VSOCK_Q_TX);
		drv_pump(&d);
		if (drv_used_idx(&d, VSOCK_Q_TX) < 64 * (round + 1))
			break;
	}
	assert_int_equal(drv_used_idx(&d, VSOCK_Q_TX), 256);
	post_rx(RX_BUFS);
	drv_pump(&d);
	assert_true(drv_used_idx(&d, VSOCK_Q_TX) > 256);
}

static void test_receive_buffer_without_room_breaks_the_device(void **state)
{
	drv_set_status(&d, 0);
	start(0);
	drv_desc(&d, VSOCK_Q_RX, 0, RX_AT, HDR, F_WRITE, 0);
	drv_avail(&d, VSOCK_Q_RX, 0);
	send_pkt((struct pkt){ .src = 8, .dst = 9, .op = VSOCK_OP_RW });
	drv_pump(&d);
	assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
}

static void test_reset_ends_every_connection(void **state)
{
	u32 port;
	int a = from_guest(), b = from_host(100, &port), c = unix_socket(path, false);
	char buf[8];

	drv_set_status(&d, 0);
	drv_pump(&d);
	assert_int_equal(read(a, buf, sizeof(buf)), 0);
	assert_true(read(b, buf, sizeof(buf)) <= 0);
	close(a);
	close(b);
	close(c);
	start(RX_BUFS);
	drv_pump(&d);
	assert_int_equal(next(NULL).op, 0);
	send_pkt((struct pkt){ .src = 5, .dst = 1234, .op = VSOCK_OP_RW, .len = 4 });
	assert_int_equal(next(NULL).op, VSOCK_OP_RST);
}

static void test_paths_that_cannot_be_are_refused(void **state)
{
	char file[80], longer[200];
	int fd;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	assert_int_equal(vsock_uds_create(&d.ctx, CID, longer), EXIT_USAGE);
	assert_int_equal(vsock_uds_create(&d.ctx, CID, "/no/such/folder/v"), EXIT_NOINPUT);
	/* Ours listens there already. */
	assert_int_equal(vsock_uds_create(&d.ctx, CID, path), EXIT_NOINPUT);
	snprintf(file, sizeof(file), "%s/f", dir);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(vsock_uds_create(&d.ctx, CID, file), EXIT_NOINPUT);
	assert_int_equal(access(file, F_OK), 0);
	unlink(file);
	/* A socket left by somebody who died. */
	close(unix_socket(file, true));
	assert_int_equal(vsock_uds_create(&d.ctx, CID, file), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_host_connects_and_data_flows_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connections_wait_while_the_host_has_no_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_burst_of_connections_is_taken_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_handshakes_are_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_handshake_in_pieces_works, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_refuses_and_the_host_sees_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_connects_or_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_closes_one_direction_and_then_the_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_credit_bounds_what_the_guest_is_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_beyond_its_credit_is_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reading_host_gives_credit_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_packets_are_answered_with_rst_or_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_data_length_beyond_the_packet_ends_the_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_receive_buffers_packets_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_answers_hold_the_guest_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_receive_buffer_without_room_breaks_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_ends_every_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths_that_cannot_be_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
