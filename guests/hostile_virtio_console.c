/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 --console hvc:stdio
// expect: 0
/* A hostile driver of the virtio console, while the other CPU counts. What the guest has to say goes through its emergency register. */
#include "guests/lib/virtio.h"

#define EMERGENCY_WRITE 8

static struct vdev v;

static void emergency(char c)
{
	mmio_write(v.device + EMERGENCY_WRITE, 4, (u8)c);
}

void guest_main(void)
{
	CHECK(virtio_find(VIRTIO_CONSOLE, &v), "no console");
	say_through(emergency);
	tick_start();
	virtio_abuse_all(&v);
	/* What was printed before ended in no line. */
	say("\n");
}
