/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 --vsock cid=9077,uds=$SOCKET
// nidus: needs=/dev/vhost-vsock -m 64M -c 2 --vsock cid=9077
// expect: 0
/* A hostile driver of the sockets, served by nidus and by the host's kernel; then packets that no driver sends. The other CPU counts. */
#include "devices/vsock_regs.h"
#include "guests/lib/virtio.h"

static u8 packet[VSOCK_HDR_LEN + 64], room[4096];

/* Sound chains with unsound packets: each field in turn at its edges, and at random. */
static void packets(struct vdev *v)
{
	static const u64 edges[] = { 0, 1, 2, 3, 44, 0x7fffffff, 0x80000000, 0xffffffff, ~0ULL };
	static const u8 at[] = { 0, 8, 16, 20, 24, 28, 30, 32, 36, 40 }, size[] = { 8, 8, 4, 4, 4, 2, 2, 4, 4, 4 };
	u64 cid = mmio_read(v->device, 8);

	for (unsigned round = 0; round < 30 * ARRAY_SIZE(edges); round++) {
		unsigned field = round / ARRAY_SIZE(edges) % ARRAY_SIZE(at);

		virtio_set_up(v, 0);
		virtio_start(v);
		virtio_use(v, VSOCK_Q_RX);
		v->ring->desc[0] = (struct vdesc){ (u64)room, sizeof(room), VD_WRITE, 0 };
		virtio_kick(v, 0);
		virtio_use(v, VSOCK_Q_TX);
		put_le(packet + VSOCK_HDR_SRC_CID, 8, cid);
		put_le(packet + VSOCK_HDR_DST_CID, 8, VSOCK_HOST_CID);
		for (unsigned i = VSOCK_HDR_SRC_PORT; i < sizeof(packet); i++)
			packet[i] = (u8)rnd();
		put_le(packet + VSOCK_HDR_DATA_LEN, 4, 64);
		put_le(packet + VSOCK_HDR_TYPE, 2, VSOCK_TYPE_STREAM);
		put_le(packet + VSOCK_HDR_OP, 2, rnd() & 7);
		put_le(packet + at[field], size[field], edges[round % ARRAY_SIZE(edges)]);
		v->ring->desc[0] = (struct vdesc){ (u64)packet, sizeof(packet), 0, 0 };
		for (unsigned i = 0; i < 4; i++) {
			virtio_kick(v, 0);
			/* A device may keep a packet that it has no room to answer. */
			for (unsigned n = 0; n < 1000 && ((volatile struct vring *)v->ring)->used.idx != i + 1; n++)
				cpu_relax();
		}
		if (round % ARRAY_SIZE(edges) == 0)
			tick_check("packets");
	}
	virtio_prove(v, "packets");
}

void guest_main(void)
{
	struct vdev v;

	tick_start();
	CHECK(virtio_find(VIRTIO_VSOCK, &v), "no vsock device");
	virtio_abuse_all(&v);
	packets(&v);
}
