/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/vsock_regs.h"
#include "guests/lib/virtio.h"

#define NET_TX 1
#define NET_CTRL 2 /* of a device with one queue pair */
#define NET_F_GUEST_CSUM BIT(1)
#define NET_F_CTRL_GUEST_OFFLOADS BIT(2)
#define NET_F_CTRL_VQ BIT(17)
#define NET_HDR 12
#define CONSOLE_TX 1
#define BALLOON_INFLATE 0
#define NOBODY_LISTENS 54321
#define MY_PORT 1025

static u8 one[512], two[512];

/* Makes the chain at descriptor 0 available and waits for it. The length that the device wrote. */
static u32 ask(struct vdev *v, const char *what, const char *after)
{
	u16 idx = v->ring->avail.idx;

	virtio_kick(v, 0);
	CHECK(virtio_wait(v, idx + 1), "%s does not end after %s", what, after);
	return ((volatile struct vring *)v->ring)->used.ring[idx % RING_MAX].len;
}

/* Sector 0 into buf; the status byte is checked. */
static void blk_read(struct vdev *v, u8 *buf, const char *after)
{
	static struct { u32 type, reserved; u64 sector; } header __attribute__((aligned(16)));
	static volatile u8 status;
	struct vdesc *d = v->ring->desc;

	status = 0xff;
	d[0] = (struct vdesc){ (u64)&header, sizeof(header), VD_NEXT, 1 };
	d[1] = (struct vdesc){ (u64)buf, 512, VD_NEXT | VD_WRITE, 2 };
	d[2] = (struct vdesc){ (u64)&status, 1, VD_WRITE, 0 };
	ask(v, "disk read", after);
	CHECK(status == 0, "disk read: status %u after %s", status, after);
}

static void prove_blk(struct vdev *v, const char *after)
{
	blk_read(v, one, after);
	blk_read(v, two, after);
	CHECK(memcmp(one, two, 512) == 0, "disk reads differ after %s", after);
}

static void prove_rng(struct vdev *v, const char *after)
{
	v->ring->desc[0] = (struct vdesc){ (u64)one, 64, VD_WRITE, 0 };
	CHECK(ask(v, "taking random bytes", after) > 0, "no random bytes after %s", after);
	v->ring->desc[0].addr = (u64)two;
	CHECK(ask(v, "taking random bytes", after) > 0, "no random bytes after %s", after);
	CHECK(memcmp(one, two, 64) != 0, "random bytes repeat after %s", after);
}

/* A frame goes out, and a command is answered. */
static void prove_net(struct vdev *v, const char *after)
{
	static const u8 cmd[] = { 5, 0, 0, 0, 0, 0, 0, 0, 0, 0 }; /* no offloads towards the guest */
	static volatile u8 ack;

	memset(one, 0, NET_HDR);
	memset(one + NET_HDR, 0xff, 6);
	memset(one + NET_HDR + 6, 2, 6);
	put_le(one + NET_HDR + 12, 2, 0xb588); /* a local experiment's type */
	virtio_use(v, NET_TX);
	v->ring->desc[0] = (struct vdesc){ (u64)one, NET_HDR + 60, 0, 0 };
	ask(v, "sending a frame", after);
	virtio_use(v, NET_CTRL);
	ack = 0xff;
	v->ring->desc[0] = (struct vdesc){ (u64)cmd, sizeof(cmd), VD_NEXT, 1 };
	v->ring->desc[1] = (struct vdesc){ (u64)&ack, 1, VD_WRITE, 0 };
	ask(v, "a network command", after);
	CHECK(ack == 0, "a network command: %u after %s", ack, after);
}

/*
 * A connection to a port of the host where nobody listens is reset: the packet went out and the answer came in, maybe behind what the host had
 * to say to those before.
 */
static void prove_vsock(struct vdev *v, const char *after)
{
	u64 cid = mmio_read(v->device, 8);
	u16 got = 0;

	memset(one, 0, VSOCK_HDR_LEN);
	put_le(one + VSOCK_HDR_SRC_CID, 8, cid);
	put_le(one + VSOCK_HDR_DST_CID, 8, VSOCK_HOST_CID);
	put_le(one + VSOCK_HDR_SRC_PORT, 4, MY_PORT);
	put_le(one + VSOCK_HDR_DST_PORT, 4, NOBODY_LISTENS);
	put_le(one + VSOCK_HDR_TYPE, 2, VSOCK_TYPE_STREAM);
	put_le(one + VSOCK_HDR_OP, 2, VSOCK_OP_REQUEST);
	put_le(one + VSOCK_HDR_BUF_ALLOC, 4, 4096);
	virtio_use(v, VSOCK_Q_RX);
	v->ring->desc[0] = (struct vdesc){ (u64)two, sizeof(two), VD_WRITE, 0 };
	virtio_kick(v, 0);
	virtio_use(v, VSOCK_Q_TX);
	v->ring->desc[0] = (struct vdesc){ (u64)one, VSOCK_HDR_LEN, 0, 0 };
	ask(v, "sending a packet", after);
	virtio_use(v, VSOCK_Q_RX);
	for (;;) {
		CHECK(virtio_wait(v, ++got), "no packet arrives after %s", after);
		if (get_le(two + VSOCK_HDR_OP, 2) == VSOCK_OP_RST && get_le(two + VSOCK_HDR_DST_PORT, 4) == MY_PORT)
			break;
		CHECK(got < 10000, "no answer arrives after %s", after);
		virtio_kick(v, 0);
	}
}

static void prove_console(struct vdev *v, const char *after)
{
	one[0] = '.';
	virtio_use(v, CONSOLE_TX);
	v->ring->desc[0] = (struct vdesc){ (u64)one, 1, 0, 0 };
	ask(v, "printing", after);
}

/* A page given to the balloon is empty when it is touched again. */
static void prove_balloon(struct vdev *v, const char *after)
{
	static volatile u64 page[PAGE / 8] __attribute__((aligned(PAGE)));

	for (unsigned i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = ~0ULL;
	put_le(one, 4, (u64)page / PAGE);
	virtio_use(v, BALLOON_INFLATE);
	v->ring->desc[0] = (struct vdesc){ (u64)one, 4, 0, 0 };
	ask(v, "inflating", after);
	CHECK(page[0] == 0 && page[ARRAY_SIZE(page) - 1] == 0, "the balloon does not take a page after %s", after);
}

void virtio_prove(struct vdev *v, const char *after)
{
	static void (*const prove[])(struct vdev *v, const char *after) = {
		[VIRTIO_NET] = prove_net, [VIRTIO_BLK] = prove_blk, [VIRTIO_CONSOLE] = prove_console,
		[VIRTIO_RNG] = prove_rng, [VIRTIO_BALLOON] = prove_balloon, [VIRTIO_VSOCK] = prove_vsock,
	};
	u16 queue = v->queue;

	memset(one, 0, sizeof(one));
	memset(two, 0xff, sizeof(two));
	virtio_set_up(v, v->type == VIRTIO_NET ? NET_F_GUEST_CSUM | NET_F_CTRL_GUEST_OFFLOADS | NET_F_CTRL_VQ : 0);
	virtio_start(v);
	prove[v->type](v, after);
	virtio_use(v, queue);
}
