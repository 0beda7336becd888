/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include "tests/unit/vhost_fake.h"
#include "tests/unit/virtio_drv.h"

#include <linux/if_tun.h>
#include <sys/socket.h>

#include "devices/tap.h"
#include "devices/vhost_tlb.h"
#include "vmm/config.h"
#include "vmm/log.h"

/* The tap is a pair of datagram sockets; the kernel's vhost is told about only. */
static struct {
	int peer[TAP_MAX_QUEUES];
	unsigned offload, active;
	int open_status;
	int backend[2];
	unsigned mtu;
	bool tlb_able, tlb_on;
	bool cut_meanwhile;
	int serve_err, gone_err, tlb_ring_err, vhost_pipe[2];
	unsigned tlbs, rings_told, served, tried, refused_queue;
	int refused_err;
	iova_t gone[2];
} host;

int tap_open(const struct net_cfg *cfg, unsigned queues, struct tap *t)
{
	*t = (struct tap){ .name = "tap0", .ufo = true, .multi = queues > 1, .mtu = host.mtu };
	if (host.open_status)
		return host.open_status;
	for (; t->n < queues; t->n++) {
		int sv[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sv), 0);
		t->fd[t->n] = sv[0];
		host.peer[t->n] = sv[1];
	}
	host.active = 1;
	return 0;
}

void tap_close(struct tap *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		close(t->fd[i]);
		close(host.peer[i]);
	}
	t->n = 0;
}

int tap_set_offload(struct tap *t, unsigned flags)
{
	host.offload = flags;
	return 0;
}

int tap_set_queue(struct tap *t, unsigned i, bool on)
{
	host.active = (host.active & ~(1U << i)) | (unsigned)on << i;
	return 0;
}

static struct drv d;

int vhost_net_backend(struct vhost *vh, unsigned index, int fd)
{
	if (host.cut_meanwhile) {
		host.cut_meanwhile = false;
		d.dma.gone(d.dma.gone_arg, 0, ~0ULL);
	}
	host.backend[index] = fd;
	return 0;
}

bool vhost_tlb_able(const struct vhost *vh)
{
	return host.tlb_able;
}

int vhost_tlb_init(struct vhost_tlb *t, struct vhost *vh, struct dma *dma, const struct mem *mem)
{
	*t = (struct vhost_tlb){ .vh = vh, .dma = dma, .mem = mem };
	host.tlbs++;
	return 0;
}

void vhost_tlb_fini(struct vhost_tlb *t)
{
	host.tlbs -= t->vh != NULL;
	t->vh = NULL;
}

void vhost_tlb_start(struct vhost_tlb *t)
{
	host.tlb_on = true;
}

void vhost_tlb_stop(struct vhost_tlb *t)
{
	assert_true(host.backend[0] < 0 && host.backend[1] < 0);
	host.tlb_on = false;
}

int vhost_tlb_ring(struct vhost_tlb *t, const struct vq *q)
{
	assert_true(host.tlb_on);
	host.rings_told++;
	return host.tlb_ring_err;
}

int vhost_tlb_serve(struct vhost_tlb *t)
{
	char c;

	host.served += read(t->vh->fd, &c, 1) == 1;
	return host.serve_err;
}

int vhost_tlb_refused(struct vhost_tlb *t, struct vq *q, u16 next)
{
	assert_int_equal(next, 40 + q->index);
	host.tried |= 1U << q->index;
	return q->index == host.refused_queue ? host.refused_err : 0;
}

int vhost_tlb_gone(struct vhost_tlb *t, iova_t iova, iova_t last)
{
	host.gone[0] = iova;
	host.gone[1] = last;
	return host.gone_err;
}

#define HDR TAP_HDR_LEN
#define BUF DRV_DATA

static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	memset(&host, 0, sizeof(host));
	memset(&vhost_fake, 0, sizeof(vhost_fake));
	host.mtu = 1500;
	host.backend[0] = host.backend[1] = -2;
	drv_open(&d);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(d.live_spans, 0);
	drv_close(&d);
	assert_int_equal(vhost_fake.vhosts, 0);
	assert_int_equal(vhost_fake.rings, 0);
	assert_int_equal(host.tlbs, 0);
	if (host.tlb_able) {
		close(host.vhost_pipe[0]);
		close(host.vhost_pipe[1]);
	}
	return 0;
}

static void make(struct net_cfg cfg)
{
	cfg.tap = (struct file_cfg){ (char *)(uintptr_t)"tap0", -1 };
	cfg.id = (char *)(uintptr_t)"net0";
	assert_int_equal(virtio_net_create(&d.ctx, &cfg), 0);
	drv_attach(&d);
}

/* In user space: where there is no vhost. */
static void make_user(struct net_cfg cfg)
{
	vhost_fake.open_err = -ENOENT;
	make(cfg);
	drv_start(&d, 3, 64);
}

static void post_rx(u64 at, u32 len)
{
	drv_desc(&d, 0, 0, at, len, F_WRITE, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
}

static u64 cfg(unsigned off, unsigned size)
{
	return drv_read(&d, d.bar + VIRTIO_BAR_DEVICE + off, size);
}

static u8 control(const u8 *cmd, u32 len, unsigned q)
{
	u16 n = drv_used_idx(&d, q);

	assert_int_equal(mem_write(d.mem, BUF, cmd, len), 0);
	drv_set_ram(&d, BUF + 0x100, 1, 0xee);
	drv_desc(&d, q, 0, BUF, len, F_NEXT, 1);
	drv_desc(&d, q, 1, BUF + 0x100, 1, F_WRITE, 0);
	drv_avail(&d, q, 0);
	drv_kick(&d, q);
	drv_wait(&d, q, (u16)(n + 1));
	return (u8)drv_ram(&d, BUF + 0x100, 1);
}

static void test_identity_and_features(void **state)
{
	u64 offered;

	make((struct net_cfg){ .queues = 1 });
	assert_int_equal(drv_read(&d, drv_cfg(&d, 0), 4), 0x10411af4);
	offered = drv_offered(&d);
	assert_true(offered & BIT(15));
	assert_false(offered & (BIT(22) | BIT(3)));
	assert_int_equal(cfg(6, 2), 1);
	assert_int_equal(cfg(8, 2), 1);
	assert_int_equal(cfg(0, 1), 2);
	assert_int_equal(cfg(11, 8), 1500 >> 8);
}

static void test_mac_is_stable_or_the_one_given(void **state)
{
	u64 first;

	make((struct net_cfg){ 0 });
	first = cfg(0, 4);
	drv_close(&d);
	drv_open(&d);
	make((struct net_cfg){ .queues = 1 });
	assert_int_equal(cfg(0, 4), first);
	drv_close(&d);
	drv_open(&d);
	make((struct net_cfg){ .mac = { 2, 3, 4, 5, 6, 7 }, .mac_set = true });
	assert_int_equal(cfg(0, 4), 0x05040302);
	assert_int_equal(cfg(4, 2), 0x0706);
}

static void test_mtu_of_the_tap_is_told(void **state)
{
	host.mtu = 9000;
	make((struct net_cfg){ 0 });
	assert_true(drv_offered(&d) & BIT(3));
	assert_int_equal(cfg(10, 2), 9000);
}

static void test_user_sends_frames_with_their_header(void **state)
{
	u8 buf[100], got[200];

	make_user((struct net_cfg){ 0 });
	assert_false(drv_offered(&d) & BIT(15));
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (u8)i;
	assert_int_equal(mem_write(d.mem, BUF, buf, sizeof(buf)), 0);
	drv_desc(&d, 1, 0, BUF, HDR, F_NEXT, 1);
	drv_desc(&d, 1, 1, BUF + HDR, sizeof(buf) - HDR, 0, 0);
	drv_avail(&d, 1, 0);
	drv_kick(&d, 1);
	drv_wait(&d, 1, 1);
	assert_int_equal(read(host.peer[0], got, sizeof(got)), sizeof(buf));
	assert_memory_equal(got, buf, sizeof(buf));
}

static void test_user_frames_that_cannot_be_are_dropped(void **state)
{
	static const struct {
		u64 at;
		u32 len;
		u16 flags;
	} rows[] = {
		{ BUF, HDR, 0 }, { BUF, 3, 0 }, { BUF, 0x20000, 0 }, { DRV_RAM, 100, 0 }, { BUF, 100, F_WRITE }, { DRV_RAM - 20, 100, 0 },
	};
	u8 got[16];

	make_user((struct net_cfg){ 0 });
	for (u16 i = 0; i < ARRAY_SIZE(rows); i++) {
		drv_desc(&d, 1, i, rows[i].at, rows[i].len, rows[i].flags, 0);
		drv_avail(&d, 1, i);
	}
	drv_kick(&d, 1);
	drv_wait(&d, 1, ARRAY_SIZE(rows));
	assert_int_equal(read(host.peer[0], got, sizeof(got)), -1);
	assert_false(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
}

static void test_user_receives_into_the_drivers_buffer(void **state)
{
	u8 frame[80] = { 0 };

	make_user((struct net_cfg){ 0 });
	frame[HDR] = 0xab;
	/* One waits for a buffer, one finds it. */
	assert_int_equal(write(host.peer[0], frame, sizeof(frame)), sizeof(frame));
	drv_pump(&d);
	assert_int_equal(drv_used_idx(&d, 0), 0);
	post_rx(BUF, 2000);
	drv_wait(&d, 0, 1);
	assert_int_equal(drv_used_len(&d, 0, 0), sizeof(frame));
	assert_int_equal(drv_ram(&d, BUF + HDR, 1), 0xab);
	assert_int_equal(drv_ram(&d, BUF + 10, 2), 1);
	post_rx(BUF, 2000);
	drv_pump(&d);
	assert_int_equal(write(host.peer[0], frame, sizeof(frame)), sizeof(frame));
	drv_pump(&d);
	assert_int_equal(drv_used_idx(&d, 0), 2);
}

static void test_user_frame_too_large_is_lost_and_the_buffer_kept(void **state)
{
	u8 frame[100] = { 0 };

	make_user((struct net_cfg){ 0 });
	post_rx(BUF, 60);
	assert_int_equal(write(host.peer[0], frame, 100), 100);
	assert_int_equal(write(host.peer[0], frame, 5), 5);
	drv_pump(&d);
	assert_int_equal(drv_used_idx(&d, 0), 0);
	assert_int_equal(write(host.peer[0], frame, 50), 50);
	drv_pump(&d);
	assert_int_equal(drv_used_idx(&d, 0), 1);
	assert_int_equal(drv_used_len(&d, 0, 0), 50);
	/* A buffer that is not memory comes back empty. */
	post_rx(DRV_RAM, 100);
	assert_int_equal(write(host.peer[0], frame, 50), 50);
	drv_pump(&d);
	assert_int_equal(drv_used_len(&d, 0, 1), 0);
}

static void test_user_reset_forgets_the_buffer(void **state)
{
	u8 frame[50] = { 0 };

	make_user((struct net_cfg){ 0 });
	post_rx(BUF, 60);
	drv_pump(&d);
	drv_set_status(&d, 0);
	assert_int_equal(write(host.peer[0], frame, 50), 50);
	drv_pump(&d);
	drv_start(&d, 3, 64);
	drv_pump(&d);
	assert_int_equal(drv_used_idx(&d, 0), 0);
	post_rx(BUF, 60);
	drv_wait(&d, 0, 1);
}

static void test_user_limit_keeps_frames_waiting(void **state)
{
	unsigned n = 0;
	u8 got[64];

	make((struct net_cfg){ .pps = 100 });
	drv_start(&d, 3, 64);
	assert_int_equal(vhost_fake.vhosts, 0);
	drv_desc(&d, 1, 0, BUF, 40, 0, 0);
	for (unsigned i = 0; i < 60; i++)
		drv_avail(&d, 1, 0);
	drv_kick(&d, 1);
	drv_pump(&d);
	while (read(host.peer[0], got, sizeof(got)) > 0)
		n++;
	/* What a burst allows, and a few more if this machine is slow. */
	assert_true(n >= 10 && n < 60);
}

static void test_control_checks_every_command(void **state)
{
	static const struct {
		u8 cmd[12];
		u32 len;
		u8 ack;
	} rows[] = {
		{ { 5, 0, 0x82 }, 10, 0 },          /* GUEST_CSUM, TSO4 */
		{ { 5, 0, 0x82, 0, 0, 0, 0, 0, 1 }, 10, 1 },
		{ { 5, 0, 0x82 }, 9, 1 },
		{ { 5, 1, 0x82 }, 10, 1 },
		{ { 4, 0, 1, 0 }, 4, 1 },           /* no MQ with one pair */
		{ { 0, 0, 1 }, 3, 1 },
		{ { 0 }, 1, 1 },
	};

	make_user((struct net_cfg){ 0 });
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(control(rows[i].cmd, rows[i].len, 2), rows[i].ack);
	assert_int_equal(host.offload, TUN_F_CSUM | TUN_F_TSO4);
	drv_set_status(&d, 0);
	assert_int_equal(host.offload, 0);
}

static void test_vhost_starts_and_stops_with_the_driver(void **state)
{
	make((struct net_cfg){ .queues = 1 });
	assert_int_equal(vhost_fake.vhosts, 1);
	drv_start(&d, 3, 64);
	assert_int_equal(vhost_fake.rings, 2);
	assert_true(host.backend[0] >= 0 && host.backend[1] >= 0);
	assert_int_equal(host.offload, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO);
	/* No DMA without bus mastering. */
	drv_write(&d, drv_cfg(&d, 4), 2, 2);
	assert_int_equal(host.backend[0], -1);
	drv_write(&d, drv_cfg(&d, 4), 2, 6);
	assert_true(host.backend[0] >= 0);
	drv_set_status(&d, 0);
	assert_int_equal(vhost_fake.rings, 0);
	assert_int_equal(host.backend[1], -1);
}

static void test_vhost_queue_pairs_are_switched(void **state)
{
	static const struct {
		u8 pairs, ack;
		unsigned active;
	} rows[] = { { 2, 0, 3 }, { 1, 0, 1 }, { 0, 1, 1 }, { 3, 1, 1 } };

	make((struct net_cfg){ .queues = 2 });
	assert_int_equal(cfg(8, 2), 2);
	drv_start(&d, 5, 64);
	assert_int_equal(vhost_fake.rings, 4);
	assert_int_equal(host.active, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const u8 cmd[] = { 4, 0, rows[i].pairs, 0 };

		assert_int_equal(control(cmd, sizeof(cmd), 4), rows[i].ack);
		assert_int_equal(host.active, rows[i].active);
	}
	drv_set_status(&d, 0);
	assert_int_equal(host.active, 1);
}

#define F_MQ BIT(22)
#define F_CTRL_VQ BIT(17)

/* Of a driver without MQ the control queue is the third. */
static void test_user_control_queue_follows_the_only_pair_without_mq(void **state)
{
	const u8 cmd[10] = { 5, 0, 0x82 };

	vhost_fake.open_err = -ENOENT;
	make((struct net_cfg){ .queues = 2 });
	assert_true(drv_negotiate(&d, drv_offered(&d) & ~F_MQ));
	for (unsigned i = 0; i < 5; i++)
		drv_queue(&d, i, 64);
	drv_ok(&d);
	assert_int_equal(control(cmd, sizeof(cmd), 2), 0);
	assert_int_equal(host.offload, TUN_F_CSUM | TUN_F_TSO4);
	/* Nothing is behind the last one. */
	drv_avail(&d, 4, 0);
	drv_kick(&d, 4);
	drv_pump(&d);
	assert_int_equal(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET, 0);
}

static void test_vhost_control_queue_without_mq_is_refused_where_the_kernel_has_its_bell(void **state)
{
	make((struct net_cfg){ .queues = 2 });
	assert_false(drv_negotiate(&d, drv_offered(&d) & ~F_MQ));
	assert_true(drv_negotiate(&d, drv_offered(&d) & ~(F_MQ | F_CTRL_VQ)));
	assert_true(drv_negotiate(&d, drv_offered(&d)));
}

/* Behind a vIOMMU, on a host whose vhost-net can follow one. */
static void make_behind(void)
{
	assert_int_equal(pipe(host.vhost_pipe), 0);
	host.tlb_able = true;
	vhost_fake.fd = host.vhost_pipe[0];
	make((struct net_cfg){ .queues = 1, .viommu = ON });
	assert_int_equal(host.tlbs, 1);
	assert_non_null(d.dma.gone);
}

static void ask(void)
{
	assert_int_equal(write(host.vhost_pipe[1], "?", 1), 1);
	drv_pump(&d);
}

static void test_behind_a_viommu_vhost_is_told_of_rings_and_what_is_gone(void **state)
{
	make_behind();
	assert_true(drv_offered(&d) & BIT(VIRTIO_F_ACCESS_PLATFORM));
	drv_start(&d, 3, 64);
	assert_true(host.tlb_on);
	assert_int_equal(host.rings_told, 2);
	assert_true(host.backend[0] >= 0 && host.backend[1] >= 0);
	ask();
	assert_int_equal(host.served, 1);
	d.dma.gone(d.dma.gone_arg, 0x1000, 0x1fff);
	assert_true(host.gone[0] == 0x1000 && host.gone[1] == 0x1fff);
	assert_true(host.backend[0] >= 0);
	/* Anew at each connection: what was told may have been taken back meanwhile. */
	drv_write(&d, drv_cfg(&d, 4), 2, 2);
	drv_write(&d, drv_cfg(&d, 4), 2, 6);
	assert_int_equal(host.rings_told, 4);
	/* What the kernel cannot be made to forget it may not use. */
	host.gone_err = -EIO;
	d.dma.gone(d.dma.gone_arg, 0, ~0ULL);
	assert_true(host.backend[0] == -1 && host.backend[1] == -1);
	/* Nor when the driver has them switched on again; only a reset helps. */
	drv_write(&d, drv_cfg(&d, 4), 2, 2);
	drv_write(&d, drv_cfg(&d, 4), 2, 6);
	assert_true(host.backend[0] == -1 && host.backend[1] == -1);
	assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
	drv_set_status(&d, 0);
	assert_false(host.tlb_on);
	assert_int_equal(vhost_fake.rings, 0);
	host.gone_err = 0;
	drv_start(&d, 3, 64);
	assert_true(host.backend[0] >= 0 && host.backend[1] >= 0);
}

/* The kernel fails while a pair is being connected. */
static void test_behind_a_viommu_a_pair_cut_off_meanwhile_stays_so(void **state)
{
	make_behind();
	host.cut_meanwhile = true;
	host.gone_err = -EIO;
	drv_start(&d, 3, 64);
	assert_true(host.backend[0] == -1 && host.backend[1] == -1);
	assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
}

static void test_behind_a_viommu_a_fault_stops_the_queues(void **state)
{
	make_behind();
	drv_start(&d, 3, 64);
	host.serve_err = -EFAULT;
	/* A question that came late: the rings know nothing of it. */
	host.tried = 0;
	ask();
	assert_int_equal(host.tried, 3);
	assert_false(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
	assert_true(host.tlb_on && host.backend[0] >= 0 && host.backend[1] >= 0);
	host.refused_err = -EFAULT;
	ask();
	assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(host.backend[0], -1);
	assert_int_equal(vhost_fake.rings, 0);
	assert_false(host.tlb_on);
	/* A reset makes it whole. */
	host.serve_err = host.refused_err = 0;
	drv_set_status(&d, 0);
	drv_start(&d, 3, 64);
	assert_int_equal(vhost_fake.rings, 2);
	/* The same question again, and nothing has moved: it is no late one. */
	host.serve_err = -EFAULT;
	ask();
	assert_false(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
	ask();
	assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
	host.serve_err = 0;
	drv_set_status(&d, 0);
	/* Rings that are mapped nowhere. */
	host.tlb_ring_err = -EFAULT;
	assert_true(drv_negotiate(&d, drv_offered(&d)));
	for (unsigned i = 0; i < 3; i++)
		drv_queue(&d, i, 64);
	drv_ok(&d);
	assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(host.backend[0], -1);
}

static void give_up(void)
{
	const u64 one = 1;

	assert_int_equal(write(vhost_fake.err_fd, &one, sizeof(one)), sizeof(one));
	drv_pump(&d);
}

/* The kernel's complaint is looked into; the queues stop for what the device may not reach, and for nothing else. */
static void test_behind_a_viommu_a_right_that_is_missing_stops_the_queues(void **state)
{
	static const int err[] = { -EFAULT, -EPROTO };

	make_behind();
	for (unsigned i = 0; i < 4; i++) {
		drv_start(&d, 3, 64);
		host.tried = 0;
		host.refused_err = 0;
		give_up();
		assert_int_equal(host.tried, 3);
		assert_false(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
		assert_true(host.backend[0] >= 0);
		host.refused_err = err[i / 2];
		host.refused_queue = i % 2;
		give_up();
		assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
		assert_int_equal(host.backend[0], -1);
		assert_int_equal(vhost_fake.rings, 0);
		/* One that comes late. */
		host.tried = 0;
		give_up();
		assert_int_equal(host.tried, 0);
		drv_set_status(&d, 0);
	}
}

static void test_behind_a_viommu_without_device_iotlb_in_user_space(void **state)
{
	u8 buf[40] = { 1 }, got[200];

	make((struct net_cfg){ .queues = 1, .viommu = ON });
	assert_int_equal(vhost_fake.vhosts, 0);
	assert_int_equal(host.tlbs, 0);
	assert_null(d.dma.gone);
	drv_start(&d, 3, 64);
	assert_int_equal(mem_write(d.mem, BUF, buf, sizeof(buf)), 0);
	drv_desc(&d, 1, 0, BUF, sizeof(buf), 0, 0);
	drv_avail(&d, 1, 0);
	drv_kick(&d, 1);
	drv_wait(&d, 1, 1);
	assert_int_equal(read(host.peer[0], got, sizeof(got)), sizeof(buf));
}

static void test_vhost_that_refuses_the_rings_breaks_the_device(void **state)
{
	make((struct net_cfg){ .queues = 1 });
	vhost_fake.ring_err = -EFAULT;
	assert_true(drv_negotiate(&d, drv_offered(&d)));
	for (unsigned i = 0; i < 3; i++)
		drv_queue(&d, i, 64);
	drv_ok(&d);
	assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(vhost_fake.rings, 0);
}

static void test_create_failures_leave_nothing(void **state)
{
	const struct net_cfg c = { .tap = { (char *)(uintptr_t)"tap0", -1 }, .queues = 2 };

	host.open_status = EXIT_NOINPUT;
	assert_int_equal(virtio_net_create(&d.ctx, &c), EXIT_NOINPUT);
	host.open_status = 0;
	vhost_fake.open_err = -EACCES;
	assert_int_equal(virtio_net_create(&d.ctx, &c), EXIT_HOST);
	vhost_fake.open_err = -ENOTSUP;
	assert_int_equal(virtio_net_create(&d.ctx, &c), EXIT_HOST);
}

static void test_offline_opens_nothing(void **state)
{
	host.open_status = EXIT_NOINPUT;
	vhost_fake.open_err = -EACCES;
	d.ctx.offline = true;
	make((struct net_cfg){ .queues = 4 });
	assert_int_equal(cfg(8, 2), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_identity_and_features, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mac_is_stable_or_the_one_given, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mtu_of_the_tap_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_sends_frames_with_their_header, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_frames_that_cannot_be_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_receives_into_the_drivers_buffer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_frame_too_large_is_lost_and_the_buffer_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_reset_forgets_the_buffer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_limit_keeps_frames_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_control_checks_every_command, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vhost_starts_and_stops_with_the_driver, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vhost_queue_pairs_are_switched, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_control_queue_follows_the_only_pair_without_mq, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vhost_control_queue_without_mq_is_refused_where_the_kernel_has_its_bell, setup, teardown),
		cmocka_unit_test_setup_teardown(test_behind_a_viommu_vhost_is_told_of_rings_and_what_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_behind_a_viommu_a_pair_cut_off_meanwhile_stays_so, setup, teardown),
		cmocka_unit_test_setup_teardown(test_behind_a_viommu_a_fault_stops_the_queues, setup, teardown),
		cmocka_unit_test_setup_teardown(test_behind_a_viommu_a_right_that_is_missing_stops_the_queues, setup, teardown),
		cmocka_unit_test_setup_teardown(test_behind_a_viommu_without_device_iotlb_in_user_space, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vhost_that_refuses_the_rings_breaks_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_failures_leave_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_offline_opens_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
